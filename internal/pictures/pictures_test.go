package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommittedAsDrawn: whoever changes a picture commits it, too.
func TestCommittedAsDrawn(t *testing.T) {
	for path, draw := range pictures {
		committed, err := os.ReadFile(filepath.Join("..", "..", path))
		if err != nil {
			t.Fatal(err)
		}
		if string(committed) != draw().svg() {
			t.Errorf("%s is not what is drawn: run `go run ./internal/pictures` and commit it", path)
		}
	}
}

// TestStationsAreThoseOfTheText: a number means the same in the picture of a pod's way and
// in ARCHITECTURE.md, which has the file of each function.
func TestStationsAreThoseOfTheText(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, way, ok := strings.Cut(string(text), "\n## The way of one pod\n")
	if !ok {
		t.Fatal("ARCHITECTURE.md does not tell the way of one pod")
	}
	way, _, _ = strings.Cut(way, "\n## ")
	for _, s := range podStations {
		_, item, _ := strings.Cut(way, fmt.Sprintf("\n%d. ", s.number))
		item, _, _ = strings.Cut(item, fmt.Sprintf("\n%d. ", s.number+1))
		if !strings.Contains(item, "#"+s.function+"`") {
			t.Errorf("station %d of ARCHITECTURE.md does not name %s, as the picture does", s.number, s.function)
		}
	}
}

// TestTextsHaveRoom looks at texts alone: each has to fit into the room that it is given,
// the room into the picture, and nothing may lie on anything else.
func TestTextsHaveRoom(t *testing.T) {
	for path, draw := range pictures {
		p := draw()
		for i, l := range p.labels {
			if w := widthOf(l.font, l.text); w > l.room.w {
				t.Errorf("%s: %q is %d wide, and has room for %d", path, l.text, w, l.room.w)
			}
			if l.room.x < 0 || l.room.y < 0 || l.room.right() > width || l.room.bottom() > p.height {
				t.Errorf("%s: %q leaves the picture", path, l.text)
			}
			if l.font.size < 11 {
				t.Errorf("%s: %q can't be read on a telephone", path, l.text)
			}
			for _, other := range p.labels[:i] {
				if l.extent().meets(other.extent()) {
					t.Errorf("%s: %q and %q are in one place", path, l.text, other.text)
				}
			}
			for _, disc := range p.discs {
				if l.extent().meets(disc) {
					t.Errorf("%s: a number covers %q", path, l.text)
				}
			}
		}
	}
}

// extent is where the letters of a label are.
func (l label) extent() rect {
	r := rect{l.room.x, l.room.y + 2, widthOf(l.font, l.text), 12}
	if l.middle {
		r.x += (l.room.w - r.w) / 2
	}
	return r
}

func (r rect) meets(o rect) bool {
	return r.x < o.right() && o.x < r.right() && r.y < o.bottom() && o.y < r.bottom()
}

// TestWellFormed reads each file as a browser does, and sees that it has colours for dark
// pages.
func TestWellFormed(t *testing.T) {
	for path, draw := range pictures {
		text := draw().svg()
		for d := xml.NewDecoder(strings.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
		if !strings.Contains(text, "prefers-color-scheme: dark") {
			t.Errorf("%s has no colours for dark pages", path)
		}
	}
}
