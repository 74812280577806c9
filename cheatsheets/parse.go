package cheatsheets

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"noriter.dev/noriter/internal/problem"
)

const (
	fence   = "```"
	prompt  = "$ "
	goesOn  = "> "
	anyText = "…"
)

// comment is what stands behind a command; one space would be the shell's own.
var comment = regexp.MustCompile(`\s{2,}# (.*)$`)

// parser goes over the lines of a page.
type parser struct {
	page     *Page
	problems problem.List
	line     int
	prose    []string
	// open is the code block that a fence has begun; fails belongs to it.
	open  *Block
	kind  string
	fails bool
	lines []string
}

// Parse reads a page, and finds all that is wrong with its form.
func Parse(file, text string) (*Page, problem.List) {
	p := &parser{page: &Page{file: file}}
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		p.line = i + 1
		p.take(line)
	}
	if p.open != nil {
		p.problem(p.open.line, "this code block is never closed")
	}
	p.endProse()
	switch {
	case p.page.Title == "":
		p.problem(1, "a page begins with `# TITLE`")
	case p.page.Summary == "":
		p.problem(2, "a summary of one paragraph must stand below the title")
	case len(p.page.Sections) == 0:
		p.problem(2, "there is no section: `## HEADING`")
	}
	for _, s := range p.page.Sections {
		if len(s.Blocks) == 0 {
			p.problem(s.line, "section %q is empty", s.Heading)
		}
	}
	return p.page, p.problems
}

func (p *parser) problem(line int, message string, args ...any) {
	p.problems = append(p.problems, problem.Line(p.page.file, line, message, args...))
}

func (p *parser) take(line string) {
	info, fenced := strings.CutPrefix(line, fence)
	switch {
	case p.open != nil && fenced:
		p.close()
	case p.open != nil:
		p.lines = append(p.lines, line)
	case fenced:
		p.endProse()
		p.begin(strings.TrimSpace(info))
	case strings.HasPrefix(line, "## "):
		p.endProse()
		p.page.Sections = append(p.page.Sections, Section{Heading: strings.TrimSpace(line[3:]), line: p.line})
	case strings.HasPrefix(line, "# "):
		if p.page.Title != "" || len(p.page.Sections) > 0 {
			p.problem(p.line, "a page has one title")
		}
		p.page.Title = strings.TrimSpace(line[2:])
	case strings.HasPrefix(line, "#"):
		p.problem(p.line, "headings are `# TITLE` and `## SECTION`")
	default:
		p.prose = append(p.prose, line)
	}
}

// endProse puts the paragraphs down where they belong.
func (p *parser) endProse() {
	text := strings.TrimSpace(strings.Join(p.prose, "\n"))
	at := p.line - len(p.prose)
	p.prose = nil
	switch {
	case text == "":
	case len(p.page.Sections) > 0:
		p.add(Block{Prose: text, line: at})
	case p.page.Summary == "" && !strings.Contains(text, "\n\n"):
		p.page.Summary = strings.Join(strings.Fields(text), " ")
	default:
		p.problem(at, "between the title and the first section stands one paragraph, the summary")
	}
}

func (p *parser) add(b Block) {
	if len(p.page.Sections) == 0 {
		p.problem(b.line, "a code block belongs into a section: `## HEADING`")
		return
	}
	s := &p.page.Sections[len(p.page.Sections)-1]
	s.Blocks = append(s.Blocks, b)
}

// begin opens a code block by what stands behind its fence.
func (p *parser) begin(info string) {
	p.open, p.lines, p.fails = &Block{line: p.line}, nil, false
	words := strings.Fields(info)
	switch {
	case info == "console" || info == "console fails":
		p.kind, p.fails = "console", len(words) == 2
	case len(words) == 2:
		p.kind, p.open.File = "file", words[1]
		if words[1] != path.Base(words[1]) || strings.HasPrefix(words[1], ".") {
			p.problem(p.line, "%q is not a plain file name", words[1])
		}
	default:
		p.kind = ""
		p.problem(p.line, "a code block is `console`, `console fails`, or a language and a file's name, such as `yaml web.yaml`")
	}
}

func (p *parser) close() {
	b := *p.open
	p.open = nil
	switch p.kind {
	case "file":
		b.Content = strings.Join(p.lines, "\n") + "\n"
		if len(p.lines) == 0 {
			p.problem(b.line, "file %s is empty", b.File)
		}
	case "console":
		p.console(&b)
	default:
		return
	}
	p.add(b)
}

// console reads the commands of a block and what they print.
func (p *parser) console(b *Block) {
	for i, line := range p.lines {
		at := b.line + 1 + i
		n := len(b.Commands)
		text, isCommand := strings.CutPrefix(line, prompt)
		more, isMore := strings.CutPrefix(line, goesOn)
		switch {
		case isCommand:
			c := Command{line: at, At: fmt.Sprintf("%s:%d", p.page.file, at)}
			if m := comment.FindStringSubmatchIndex(text); m != nil {
				c.Comment, text = text[m[2]:m[3]], text[:m[0]]
			}
			c.Line = strings.TrimRight(text, " ")
			if c.Line == "" {
				p.problem(at, "there is no command behind the prompt")
			}
			b.Commands = append(b.Commands, c)
		case n == 0:
			p.problem(at, "a console block begins with a command: `$ COMMAND`")
			return
		case isMore && len(b.Commands[n-1].Output) == 0:
			b.Commands[n-1].Line += "\n" + more
		default:
			b.Commands[n-1].Output = append(b.Commands[n-1].Output, strings.TrimRight(line, " "))
		}
	}
	if len(b.Commands) == 0 {
		p.problem(b.line, "this console block has no command")
		return
	}
	for i := range b.Commands {
		p.finish(&b.Commands[i])
	}
	b.Commands[len(b.Commands)-1].Fails = p.fails
}

// finish drops the empty lines at an output's end, and finds what does not go
// together.
func (p *parser) finish(c *Command) {
	for len(c.Output) > 0 && c.Output[len(c.Output)-1] == "" {
		c.Output = c.Output[:len(c.Output)-1]
	}
	for i, o := range c.Output {
		if o == interrupt && i < len(c.Output)-1 {
			p.problem(c.line, "^C ends an output, nothing follows it")
		}
	}
	if len(c.Typed()) > 0 && (c.Interrupted() || c.Background()) {
		p.problem(c.line, "what is typed into can't be interrupted or put into the background, too")
	}
}
