package expr

import (
	"context"
	"fmt"
	"strings"
)

// Template is a text with expressions in double braces:
//
//	the pod runs on {{object.spec.nodeName}}
type Template struct {
	source string
	parts  []part
}

// part is either plain text or a program.
type part struct {
	text string
	prg  *Program
}

// Source is the text as it was written.
func (t *Template) Source() string {
	if t == nil {
		return ""
	}
	return t.source
}

// partsLimit is how many parts a text may have: each expression takes its time to compile.
const partsLimit = 1000

// CompileTemplate checks every expression of a text. A mistake is an *Error
// whose line and column count within the text.
func CompileTemplate(source string, extra ...string) (*Template, error) {
	t := &Template{source: source}
	rest, offset := source, 0
	for {
		open := strings.Index(rest, "{{")
		if open < 0 {
			t.add(rest)
			return t, nil
		}
		end := strings.Index(rest[open:], "}}")
		wrong := func(message string) error {
			line, column := position(source, offset+open)
			return &Error{Line: line, Column: column, Message: message}
		}
		if end < 0 {
			return nil, wrong("{{ without }}")
		}
		if len(t.parts) > partsLimit {
			return nil, wrong(fmt.Sprintf("the text has more than %d expressions and what is between them", partsLimit))
		}
		t.add(rest[:open])
		prg, err := Compile(strings.TrimSpace(rest[open+2:open+end]), extra...)
		if err != nil {
			return nil, wrong(err.Error())
		}
		t.parts = append(t.parts, part{prg: prg})
		offset += open + end + 2
		rest = rest[open+end+2:]
	}
}

func (t *Template) add(text string) {
	if text != "" {
		t.parts = append(t.parts, part{text: text})
	}
}

// position gives line and column of a byte offset, both from one.
func position(s string, offset int) (line, column int) {
	before := s[:offset]
	line = strings.Count(before, "\n") + 1
	column = offset - strings.LastIndex(before, "\n")
	return line, column
}

// Render fills the template in. A string is put as it is; what is not there
// becomes "—", and the text stays readable.
func (t *Template) Render(ctx context.Context, s Scope) (string, error) {
	if t == nil {
		return "", nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.prg == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := p.prg.Value(ctx, s)
		if err != nil {
			if _, missing := missingField(err); !missing {
				return "", fmt.Errorf("in the text %q: %w", t.source, err)
			}
			b.WriteString("—")
			continue
		}
		b.WriteString(plain(v))
	}
	return b.String(), nil
}

func plain(v any) string {
	switch t := v.(type) {
	case nil:
		return "—"
	case string:
		return t
	case []any:
		parts := make([]string, 0, len(t))
		for _, x := range t {
			parts = append(parts, plain(x))
		}
		return strings.Join(parts, ", ")
	}
	return ShowValue(v)
}
