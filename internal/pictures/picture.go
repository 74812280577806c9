package main

import (
	"fmt"
	"html"
	"strings"
)

// width is that of every picture, in units. On a telephone of 360 pixels a unit is a
// little less than a pixel.
const width = 400

// picture is an SVG in the making. What is added first lies below.
type picture struct {
	title  string
	height int
	// frames lie below the body, so that they can be drawn when all that is in them is.
	frames, body strings.Builder
	// labels and discs are all texts and numbers, for the test that looks whether they
	// have room.
	labels []label
	discs  []rect
}

// label is one line of text and the room that it may take.
type label struct {
	text   string
	room   rect
	font   font
	middle bool
}

type rect struct{ x, y, w, h int }

func (r rect) right() int  { return r.x + r.w }
func (r rect) bottom() int { return r.y + r.h }

// font is a class of the style sheet, with what is needed to reckon how wide a text is.
type font struct {
	class string
	size  int // in units
}

// The fonts. The smallest has 11 units, which is 10 pixels on a telephone.
var (
	heading = font{"heading", 13}
	name    = font{"name", 12}
	plain   = font{"plain", 11}
	quiet   = font{"quiet", 11}
	code    = font{"code", 11}
)

// kind is a class of boxes.
type kind string

// The kinds of boxes. The colours say who wrote what is in them.
const (
	ours    kind = "ours"    // a program of this project
	library kind = "library" // Kubernetes' own code, a library, Debian or the kernel
	object  kind = "object"  // an object in the API
)

// style has both sets of colours. The picture paints its own background, so that it can
// be read even on a page whose colours are not those that the browser asks for.
const style = `
  .page { fill: #ffffff }
  text { fill: #1f2328; font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif }
  .heading { font-size: 13px; font-weight: bold }
  .name { font-size: 12px; font-weight: bold }
  .plain { font-size: 11px }
  .quiet { font-size: 11px; fill: #59636e }
  .code { font-size: 11px; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
  .ours { fill: #dafbe1; stroke: #1a7f37 }
  .library { fill: #eaeef2; stroke: #818b98 }
  .object { fill: #ddf4ff; stroke: #0969da }
  .frame { fill: none; stroke: #818b98; stroke-dasharray: 4 3 }
  .arrow, .told { fill: none; stroke: #424a53; stroke-width: 1.5 }
  .told { stroke-dasharray: 5 3 }
  .tip { fill: #424a53 }
  .disc { fill: #1f2328 }
  .number { fill: #ffffff; font-size: 11px; font-weight: bold; text-anchor: middle }
  .middle { text-anchor: middle }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 }
    text { fill: #e6edf3 }
    .quiet { fill: #9da7b3 }
    .ours { fill: #12331d; stroke: #3fb950 }
    .library { fill: #212830; stroke: #7d8590 }
    .object { fill: #0c2d52; stroke: #4493f8 }
    .frame { stroke: #7d8590 }
    .arrow, .told { stroke: #c9d1d9 }
    .tip { fill: #c9d1d9 }
    .disc { fill: #e6edf3 }
    .number { fill: #0d1117 }
  }
`

// svg is the whole file.
func (p *picture) svg() string {
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title">`+"\n",
		width, p.height, width*3/2, p.height*3/2)
	fmt.Fprintf(&out, "<!-- Drawn by: go run ./internal/pictures -->\n<title id=\"title\">%s</title>\n", html.EscapeString(p.title))
	fmt.Fprintf(&out, "<style>%s</style>\n", style)
	out.WriteString(`<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>` + "\n")
	fmt.Fprintf(&out, `<rect class="page" width="%d" height="%d"/>`+"\n", width, p.height)
	out.WriteString(p.frames.String())
	out.WriteString(p.body.String())
	out.WriteString("</svg>\n")
	return out.String()
}

// box draws a box with lines of text in it, from its top left.
func (p *picture) box(k kind, r rect, lines ...line) {
	fmt.Fprintf(&p.body, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="4"/>`+"\n", k, r.x, r.y, r.w, r.h)
	y := r.y + 2
	for _, l := range lines {
		p.text(l.font, rect{r.x + 6, y, r.w - 12, lineHeight}, l.text, l.middle)
		y += lineHeight
	}
}

// frame draws a border around what is on one machine, between two heights.
func (p *picture) frame(r rect) {
	fmt.Fprintf(&p.frames, `<rect class="frame" x="%d" y="%d" width="%d" height="%d" rx="4"/>`+"\n", r.x, r.y, r.w, r.h)
}

// lineHeight is the height of a line of text, in units.
const lineHeight = 15

// line is one line of a box.
type line struct {
	font   font
	text   string
	middle bool
}

func named(s string) line { return line{font: name, text: s} }
func says(s string) line  { return line{font: plain, text: s} }
func calls(s string) line { return line{font: code, text: s} }

// heightOf is that of a box with so many lines.
func heightOf(lines int) int { return lines*lineHeight + 6 }

// text writes one line into a room, at its left or in its middle.
func (p *picture) text(f font, room rect, s string, middle bool) {
	class, x := f.class, room.x
	if middle {
		class, x = class+" middle", room.x+room.w/2
	}
	fmt.Fprintf(&p.body, `<text class="%s" x="%d" y="%d">%s</text>`+"\n", class, x, room.y+12, html.EscapeString(s))
	p.labels = append(p.labels, label{s, room, f, middle})
}

// point is a place, in units from the top left.
type point struct{ x, y int }

// The classes of arrows.
const (
	solid  = "arrow"
	dashed = "told"
)

// arrow draws a line through points, with a tip at its end.
func (p *picture) arrow(class string, points ...point) {
	p.line(class, ` marker-end="url(#tip)"`, points...)
}

func (p *picture) line(class, markers string, points ...point) {
	var at []string
	for _, q := range points {
		at = append(at, fmt.Sprintf("%d,%d", q.x, q.y))
	}
	fmt.Fprintf(&p.body, `<polyline class="%s" points="%s"%s/>`+"\n", class, strings.Join(at, " "), markers)
}

// discR is the radius of a numbered disc.
const discR = 9

// number draws a numbered disc around a place.
func (p *picture) number(n int, at point) {
	p.discs = append(p.discs, rect{at.x - discR, at.y - discR, 2 * discR, 2 * discR})
	fmt.Fprintf(&p.body, `<circle class="disc" cx="%d" cy="%d" r="%d"/><text class="number" x="%d" y="%d">%d</text>`+"\n", at.x, at.y, discR, at.x, at.y+4, n)
}
