package cheatsheets

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// TestPages reads every page strictly; a mistake is shown with its place.
func TestPages(t *testing.T) {
	problems, err := Lint(FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	for _, l := range languages {
		pages, err := LoadAll(FS, l)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			if len(p.Commands()) == 0 {
				t.Errorf("%s in %s has no command", p.Topic, l)
			}
		}
	}
}

// TestOutputsAreLookedAt keeps pages from showing nothing but "…".
func TestOutputsAreLookedAt(t *testing.T) {
	pages, err := LoadAll(FS, "en")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		all, seen := 0, 0
		for _, b := range p.Commands() {
			for _, c := range b.Commands {
				all++
				if len(c.Output) > 0 && !(len(c.Output) == 1 && c.Output[0] == anyText) {
					seen++
				}
			}
		}
		if seen*2 < all {
			t.Errorf("%s shows the output of only %d of %d commands", p.Topic, seen, all)
		}
	}
}

const good = `# Pods

What pods are.

## Make

A file:

` + "```yaml web.yaml\nkind: Pod\n```" + `

` + "```console\n$ kubectl apply \\\n>   -f web.yaml  # now\npod/web created\n$ true\n```" + `

` + "```console fails\n$ false\n```" + `
`

func TestParse(t *testing.T) {
	page, problems := Parse("pods/en.md", good)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if page.Title != "Pods" || page.Summary != "What pods are." || len(page.Sections) != 1 || len(page.Sections[0].Blocks) != 4 {
		t.Fatalf("%+v", page)
	}
	b := page.Commands()
	if b[0].File != "web.yaml" || b[0].Content != "kind: Pod\n" {
		t.Errorf("the file is %+v", b[0])
	}
	c := b[1].Commands[0]
	if c.Line != "kubectl apply \\\n  -f web.yaml  # now" || strings.Join(c.Output, ",") != "pod/web created" || c.At != "pods/en.md:14" || c.Fails {
		t.Errorf("the command is %+v", c)
	}
	if got := strings.Join(c.Lines(), "|"); got != "$ kubectl apply \\|>   -f web.yaml  # now|pod/web created" {
		t.Errorf("shown as %q", got)
	}
	if !b[2].Commands[0].Fails || b[1].Commands[1].Fails {
		t.Error("which commands fail is not as written")
	}
}

func TestParseFindsMistakes(t *testing.T) {
	block := func(s string) string { return "# T\n\nS.\n\n## H\n\n" + s }
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "en.md:1: a page begins with `# TITLE`"},
		{"no summary", "# T\n## H\nx", "a summary of one paragraph"},
		{"two paragraphs", "# T\n\nS.\n\nMore.\n\n## H\nx", "one paragraph, the summary"},
		{"no section", "# T\n\nS.", "there is no section"},
		{"empty section", "# T\n\nS.\n## H\n", `en.md:4: section "H" is empty`},
		{"second title", block("x\n# U"), "en.md:8: a page has one title"},
		{"deep heading", block("### x"), "headings are"},
		{"not closed", block("```console\n$ true"), "en.md:7: this code block is never closed"},
		{"unknown fence", block("```sh\ntrue\n```"), "en.md:7: a code block is"},
		{"file elsewhere", block("```yaml ../x\na\n```"), "not a plain file name"},
		{"empty file", block("```yaml x\n```"), "file x is empty"},
		{"no prompt", block("```console\ntrue\n```"), "en.md:8: a console block begins with a command"},
		{"empty console", block("```console\n```"), "has no command"},
		{"empty command", block("```console\n$ \n```"), "no command behind the prompt"},
		{"output behind ^C", block("```console\n$ true\n^C\nx\n```"), "^C ends an output"},
		{"typed and interrupted", block("```console\n$ sh\n/ # ls\n^C\n```"), "what is typed into"},
		{"code before a section", "# T\n\nS.\n\n```console\n$ true\n```\n\n## H\nx", "belongs into a section"},
	} {
		_, problems := Parse("en.md", c.text)
		if !strings.Contains(problems.Error(), c.want) {
			t.Errorf("%s: found %q, want %q", c.name, problems.Error(), c.want)
		}
	}
}

func TestLint(t *testing.T) {
	korean := strings.NewReplacer("What pods are.", "파드란.", "A file:", "파일:").Replace(good)
	for _, c := range []struct{ name, en, ko, want string }{
		{"all well", good, korean, ""},
		{"missing language", good, "", "pods/ko.md: the text in this language is missing"},
		{"not translated", good, good, `not in Korean: "A file:"`},
		{"other command", good, strings.Replace(korean, "$ true", "$ date", 1), "pods/ko.md:17: this command or its output is not that of pods/en.md:17"},
		{"other output", good, strings.Replace(korean, "created", "made", 1), "this command or its output"},
		{"other file", good, strings.Replace(korean, "kind: Pod", "kind: Job", 1), "this block is not that of pods/en.md:9"},
		{"block less", good, korean[:strings.LastIndex(korean, "```console")], "has 2 code blocks, pods/en.md has 3"},
		{"section more", good, korean + "\n## 더\n\n더.\n", "has 2 sections"},
		{"wide", strings.Replace(good, "$ true", "$ true "+strings.Repeat("x", 60), 1), korean, "pods/en.md:17: this line of code has 67 columns"},
		{"wide comment", strings.Replace(good, "$ true", "$ true  # "+strings.Repeat("x", 60), 1), korean, "columns"},
		{"comment not translated", strings.Replace(good, "$ true", "$ true  # yes", 1), strings.Replace(korean, "$ true", "$ true  # yes", 1), `not in Korean: "yes"`},
	} {
		fsys := fstest.MapFS{"pods/en.md": {Data: []byte(c.en)}, "pods/ko.md": {Data: []byte(c.ko)}, "x.go": {}}
		if c.ko == "" {
			delete(fsys, "pods/ko.md")
		}
		problems, err := Lint(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if got := problems.Error(); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTopicsComeInOrder(t *testing.T) {
	topics, err := Topics(fstest.MapFS{"apples/en.md": {}, "differences/en.md": {}, "pods/en.md": {}, "kubectl/en.md": {}})
	if got := strings.Join(topics, " "); err != nil || got != "kubectl pods differences apples" {
		t.Errorf("topics are %q, %v", got, err)
	}
}

func TestCommandIs(t *testing.T) {
	for _, c := range []struct {
		line                           string
		output                         []string
		reads, interrupted, background bool
		typed                          string
	}{
		{line: "kubectl get pods -l run=web", reads: true},
		{line: "kubectl run web --image=x"},
		{line: "kubectl rollout status deploy/web", reads: true},
		{line: "kubectl rollout undo deploy/web"},
		{line: "kubectl get pods -w", output: []string{"NAME", "^C"}, reads: true, interrupted: true},
		{line: "kubectl port-forward pod/web 8080:8080 &", background: true},
		{line: "true && true &&", reads: true},
		{line: "kubectl exec -it web -- sh", output: []string{"/ # ls", "bin", "/ # exit"}, typed: "ls,exit"},
	} {
		cmd := Command{Line: c.line, Output: c.output}
		if cmd.Reads() != c.reads || cmd.Interrupted() != c.interrupted || cmd.Background() != c.background || strings.Join(cmd.Typed(), ",") != c.typed {
			t.Errorf("%q: reads %v, interrupted %v, background %v, typed %q", c.line, cmd.Reads(), cmd.Interrupted(), cmd.Background(), cmd.Typed())
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		name, command, shown, real, want string
	}{
		{"the same", "x", "a\nb", "a\nb\n", ""},
		{"not looked at", "x", "", "anything", ""},
		{"another word", "x", "a\nb", "a\nc", `line 2 of the output is "c", where the page shows "b"`},
		{"a line less", "x", "a\nb", "a", `line 2 of the output, "b", is missing`},
		{"a line more", "x", "a", "a\nb", "other lines than the page shows: 2 against 1"},
		{"columns", "x", "NAME  READY", "NAME        READY", ""},
		{"any lines", "x", "a\n…\nz", "a\nb\nc\nz", ""},
		{"no lines", "x", "a\n…\nz", "a\nz", ""},
		{"any lines, but not the last", "x", "a\n…\nz", "a\nb", "other lines"},
		{"any text", "x", "web 1/1 …", "web 1/1 Running 0 5s", ""},
		{"any text, but another start", "x", "web 1/1 …", "web 0/1 Running", "line 1"},
		{"ages", "x", "web Running 1 (3s ago) 2m5s", "web Running 1 (14s ago) 31h", ""},
		{"addresses", "x", "10.244.1.5 10.96.7.8 10.77.0.11 node1", "10.244.2.9 10.96.200.1 192.168.4.2 node2", ""},
		{"a pod's for a service's address", "x", "10.244.1.5", "10.96.1.5", "line 1"},
		{"names", "x", "web-5c9d8f7b6d-4kx2p", "web-957bf9d8f-55jbm", ""},
		{"words are no random letters", "x", "web-front", "web-other", "line 1"},
		{"counts of events", "x", "5s Normal BackOff", "5s (x3 over 20s) Normal BackOff", ""},
		{"times", "x", "Thu, 26 Nov 2026 07:51:50 +0000", "Fri, 27 Nov 2026 17:51:51 +0000", ""},
		{"a random node port", "x", "80:31544/TCP", "80:30999/TCP", ""},
		{"a chosen node port", "x", "80:30080/TCP", "80:30081/TCP", "line 1"},
		{"a chosen for a random one", "x", "80:30080/TCP", "80:31544/TCP", "line 1"},
		{"other order of names", "kubectl get pods", "N\nweb-4kx2p node1 v1\nweb-9zcqb node2 v2", "N\nweb-4kx2p node1 v2\nweb-9zcqb node2 v1", ""},
		{"other order where it counts", "kubectl logs web", "a\nb", "b\na", "line 1"},
		{"interrupted", "x", "a\n^C", "a\n", ""},
		{"on a terminal", "x", "a", "a\r\n", ""},
	} {
		cmd := Command{Line: c.command}
		if c.shown != "" {
			cmd.Output = strings.Split(c.shown, "\n")
		}
		err := cmd.Matches(c.real)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	err := fs.WalkDir(FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(FS, p)
		f.Add(string(text))
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		page, problems := Parse("x/en.md", text)
		if len(problems) > 0 {
			return
		}
		for _, b := range page.Commands() {
			for _, c := range b.Commands {
				if c.Line == "" || strings.Join(c.Lines(), "") == "" {
					t.Errorf("an empty command at %s", c.At)
				}
				// A page always agrees with itself, once nothing is left open.
				if err := c.Matches(strings.Join(c.Expected(), "\n")); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
