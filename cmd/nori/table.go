package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// printTable lines columns up, counting what a terminal shows: colour takes no
// room, and Korean takes two columns a letter. Where the terminal is too narrow, the last
// column goes on below itself, word by word: terminals cut within words.
func printTable(g *globals, rows [][]string) {
	var widths []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], visible(cell))
		}
	}
	left := 0
	for _, w := range widths[:max(len(widths)-1, 0)] {
		left += w + 2
	}
	room := g.columns() - left
	for _, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			if i == len(widths)-1 {
				cell = strings.Join(words(cell, room), "\n"+strings.Repeat(" ", left))
			}
			b.WriteString(cell)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-visible(cell)+2))
			}
		}
		fmt.Fprintln(g.stdout, b.String())
	}
}

// columns are those of the terminal; very many where there is none.
func (g *globals) columns() int {
	if f, ok := g.stdout.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 1 << 16
}

// narrowestCell is how narrow a column may get before it is left to the terminal.
const narrowestCell = 16

// words breaks a cell between words into lines of so many columns. One with colour is short.
func words(cell string, room int) []string {
	if visible(cell) <= room || room < narrowestCell || strings.Contains(cell, "\x1b") {
		return []string{cell}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(cell) {
		switch {
		case line == "":
			line = word
		case visible(line)+1+visible(word) <= room:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// visible is a text's width without its colours.
func visible(s string) int {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return runewidth.StringWidth(b.String())
		}
		_, s, _ = strings.Cut(rest, "m")
	}
}
