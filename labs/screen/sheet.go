package screen

import (
	"strings"

	"noriter.dev/noriter/cheatsheets"
	"noriter.dev/noriter/internal/lang"
)

// Topics prints which cheatsheets there are.
func (u *UI) Topics(pages []*cheatsheets.Page) error {
	width, _ := u.size()
	const column = 18
	var lines []string
	for _, p := range pages {
		rest := strings.Repeat(" ", column)
		lines = append(lines, indent(wrapText(p.Summary, width-column, nil), u.bold(pad(p.Topic, column)), rest)...)
	}
	lines = append(lines, "", lang.T("`"+u.Command+" cheat TOPIC` shows one.", "`"+u.Command+" cheat TOPIC`으로 하나를 봅니다."))
	return u.print(lines...)
}

// TopicLabel is a cheatsheet on one line, for a choice.
func TopicLabel(p *cheatsheets.Page) string { return p.Topic + ": " + p.Title }

// Sheet prints a cheatsheet.
func (u *UI) Sheet(p *cheatsheets.Page) error {
	width, _ := u.size()
	lines := []string{u.bold(p.Title), ""}
	lines = append(lines, wrapText(p.Summary, width, nil)...)
	for _, s := range p.Sections {
		lines = append(lines, "", u.bold(u.yellow("== "+s.Heading+" ==")), "")
		for i, b := range s.Blocks {
			if i > 0 {
				lines = append(lines, "")
			}
			lines = append(lines, u.sheetBlock(b, width)...)
		}
	}
	return u.page(lines)
}

func (u *UI) sheetBlock(b cheatsheets.Block, width int) []string {
	switch {
	case b.Prose != "":
		return u.markdown(b.Prose, width)
	case b.File != "":
		lines := []string{"    " + u.faint("# "+b.File)}
		for _, l := range strings.Split(strings.TrimRight(b.Content, "\n"), "\n") {
			lines = append(lines, "    "+l)
		}
		return lines
	}
	var lines []string
	column := commentColumn(b.Commands, width)
	for _, c := range b.Commands {
		lines = append(lines, u.sheetCommand(c, column)...)
	}
	return lines
}

// commentColumn lines the comments of a block up, if there is room.
func commentColumn(commands []cheatsheets.Command, width int) int {
	column := 0
	for _, c := range commands {
		if c.Comment != "" {
			column = max(column, cells.StringWidth(c.Lines()[0]))
		}
	}
	for _, c := range commands {
		if c.Comment != "" && 4+column+4+cells.StringWidth(c.Comment) > width {
			return 0
		}
	}
	return column
}

func (u *UI) sheetCommand(c cheatsheets.Command, column int) []string {
	var out []string
	for i, l := range c.Lines() {
		switch commands := strings.Count(c.Line, "\n"); {
		case i == 0 && c.Comment != "":
			out = append(out, "    "+u.cyan(pad(l, column))+u.faint("  # "+c.Comment))
		case i <= commands:
			out = append(out, "    "+u.cyan(l))
		default:
			out = append(out, strings.TrimRight("    "+l, " "))
		}
	}
	return out
}
