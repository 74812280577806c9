// Package terms holds the Korean words of Noriter: the terms of the Korean Kubernetes
// documentation, and plain words where a text would sound translated. There is one table
// of them, and labs, quizzes, cheatsheets and the program's own texts are all held to it.
package terms

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/problem"
)

// Slip is a word of a text that another one should stand for.
type Slip struct {
	// Line of the text, counted from one.
	Line int
	// Found is what is written, Right what to write in its place.
	Found, Right string
}

// entry is a row of the table, ready to be looked for.
type entry struct {
	right string
	wrong *regexp.Regexp
}

var entries = compile()

// blanks make a form's blank match that between two lines as well.
var blanks = strings.NewReplacer(" ?", `\s*`, " ", `\s+`)

// compile joins the wrong forms of each row. A form begins where a word does: the 팟 of
// 스팟 is another word. It may go on in the next line of a paragraph.
func compile() []entry {
	out := make([]entry, len(table))
	for i, row := range table {
		joined := blanks.Replace(strings.Join(row.wrong, "|"))
		out[i] = entry{row.right, regexp.MustCompile(`(?:^|[^가-힣])(` + joined + `)`)}
	}
	return append(out, particles...)
}

// particles are those that don't fit: a pair behind a word that is written there, and one
// of a pair behind a word that is put in, which package lang would fit.
var particles = []entry{
	{"the particle that fits: the word before it is known",
		regexp.MustCompile(`([가-힣](?:은\(는\)|이\(가\)|을\(를\)|[과와]\([과와]\)|\(으\)로|\(이\)(?:라는|라고|나)))`)},
	{"both particles, such as 이(가): the word before it is computed",
		regexp.MustCompile(`((?:\}\}|%(?:\[\d+\])?[dqsvT])[|*"']*(?:은|는|이|가|을|를|과|와|로|으로|이?라는|이?라고|이?나))(?:[^가-힣(]|\z)`)},
}

// In finds the wrong words of a text, in the order of their lines. What stands in
// backquotes, or in a block of code, is a command or a name and is passed over.
func In(text string) []Slip {
	text = mask(text)
	var found []Slip
	for _, e := range entries {
		for _, at := range e.wrong.FindAllStringSubmatchIndex(text, -1) {
			words := strings.Join(strings.Fields(text[at[2]:at[3]]), " ")
			found = append(found, Slip{1 + strings.Count(text[:at[2]], "\n"), words, e.right})
		}
	}
	slices.SortStableFunc(found, func(a, b Slip) int { return a.Line - b.Line })
	return found
}

// code is what isn't prose: a block between fences, or a span within a paragraph.
var code = regexp.MustCompile("(?ms)^```.*?(?:^```[^\n]*$|\\z)|`(?:[^`\n]|\n[^`\n])*`")

// mask puts a stroke in the place of code, and leaves the lines as they are, and the sign
// of a computed value that is the last of a span.
func mask(text string) string {
	return code.ReplaceAllStringFunc(text, func(s string) string {
		end := "|"
		if strings.HasSuffix(s, "}}`") {
			end = "}}|"
		}
		return "|" + strings.Repeat("\n", strings.Count(s, "\n")) + end
	})
}

// texts are the files that hold the Korean of labs, quizzes and cheatsheets.
var texts = []string{"ko.md", "lab.yaml", "quiz.yaml"}

// Lint looks at all Korean texts of a file system. The error is the file system's.
func Lint(fsys fs.FS) (problem.List, error) {
	var found problem.List
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains(texts, path.Base(name)) {
			return err
		}
		text, err := fs.ReadFile(fsys, name)
		for _, s := range In(string(text)) {
			found = append(found, problem.Line(name, s.Line, "%q: write %s", s.Found, s.Right))
		}
		return err
	})
	return found, err
}
