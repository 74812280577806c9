// Package cheatsheets holds one page per topic, in both languages. Every
// command on a page is executed by a test on a testbed, and its output held
// against what the page shows.
//
// A page is Markdown that reads well as it is:
//
//	# Pods
//	The first paragraph is the summary.
//	## Heading
//	Prose, lists, and two kinds of code blocks:
//
//	```yaml web.yaml
//	(a file, which is there for the commands that follow)
//	```
//
//	```console
//	$ kubectl get pods        # a comment, behind two spaces
//	NAME  READY  STATUS  …
//	```
//
// In a console block, lines with "$ " are commands, and "> " continues one;
// what is below is its output. A line of "…" alone stands for any number of
// lines, "…" within a line for any text, and columns may stand closer
// together than the real ones. A command without output is run, and its output
// not looked at. An output that ends with ^C is that of a command which runs
// on until it is interrupted; behind a prompt ("/ # ") is what is typed into a
// program; a command with & at its end runs until the page is over. The last
// command of a block that is opened with "console fails" ends with an error.
package cheatsheets

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// FS has a folder per topic.
//
//go:embed */en.md */ko.md
var FS embed.FS

// order is how topics are listed; others follow by name.
var order = []string{"kubectl", "pods", "replicasets", "nodeport", "ingress", "daemonsets", "imagepullbackoff", "differences"}

var languages = []string{lang.English, lang.Korean}

// Page is one topic in one language.
type Page struct {
	Topic    string    `json:"topic"`
	Title    string    `json:"title"`
	Summary  string    `json:"summary"`
	Sections []Section `json:"sections"`
	file     string
}

// Section is what stands below a heading.
type Section struct {
	Heading string  `json:"heading"`
	Blocks  []Block `json:"blocks"`
	line    int
}

// Block is one of three: prose, a file, or commands.
type Block struct {
	// Prose is Markdown: paragraphs and lists.
	Prose string `json:"prose,omitempty"`
	// File is a file's name and Content what is in it.
	File    string `json:"file,omitempty"`
	Content string `json:"content,omitempty"`
	// Commands are typed one after another.
	Commands []Command `json:"commands,omitempty"`
	line     int
}

// Command is one command with what it prints.
type Command struct {
	// Line is the command as it is typed, of several lines perhaps, without
	// the comment.
	Line    string `json:"command"`
	Comment string `json:"comment,omitempty"`
	// Output is what the page shows of its output; empty is not looked at.
	Output []string `json:"output,omitempty"`
	// Fails says that the command ends with an error.
	Fails bool `json:"fails,omitempty"`
	// At is its place, FILE:LINE.
	At   string `json:"-"`
	line int
}

// Commands are all commands of a page with the files they find, in order.
func (p *Page) Commands() []Block {
	var all []Block
	for _, s := range p.Sections {
		for _, b := range s.Blocks {
			if b.Prose == "" {
				all = append(all, b)
			}
		}
	}
	return all
}

// Topics are the topics of a file system, in the order in which they are shown.
func Topics(fsys fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("reading the cheatsheets: %w", err)
	}
	var topics []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			topics = append(topics, e.Name())
		}
	}
	rank := func(t string) int {
		if i := slices.Index(order, t); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(topics, func(a, b string) int { return rank(a) - rank(b) })
	return topics, nil
}

// Load reads a topic's page in one language. Mistakes in it are
// a problem.List; any other error is the file system's.
func Load(fsys fs.FS, topic, language string) (*Page, error) {
	file := path.Join(topic, language+".md")
	text, err := fs.ReadFile(fsys, file)
	if err != nil {
		return nil, fmt.Errorf("reading the cheatsheet: %w", err)
	}
	page, problems := Parse(file, string(text))
	if len(problems) > 0 {
		return nil, problems
	}
	page.Topic = topic
	return page, nil
}

// LoadAll reads all topics in one language.
func LoadAll(fsys fs.FS, language string) ([]*Page, error) {
	topics, err := Topics(fsys)
	if err != nil {
		return nil, err
	}
	var pages []*Page
	for _, t := range topics {
		p, err := Load(fsys, t, language)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return pages, nil
}
