package screen

import (
	"slices"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/content"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/run"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"one two three", 9, []string{"one two", "three"}},
		{"파드는 컨테이너의 묶음입니다", 16, []string{"파드는", "컨테이너의", "묶음입니다"}},
		{"파드는 컨테이너의", 17, []string{"파드는 컨테이너의"}},
		{"abcdefghijkl m", 8, []string{"abcdefghijkl", "m"}},
		{"가나다라마바", 9, []string{"가나다라", "마바"}},
		{"", 10, []string{""}},
		{"a  b", 10, []string{"a b"}},
	} {
		if got := wrapText(c.text, c.width, nil); !slices.Equal(got, c.want) {
			t.Errorf("%q at %d: got %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// TestWrapParticles has the word and its particle in different spans, and a pair
// that a mark cuts in two.
func TestWrapParticles(t *testing.T) {
	lang.Set("ko")
	t.Cleanup(func() { lang.Set("en") })
	for _, c := range []struct{ text, want string }{
		{"`green`(이)라는 낱말", "`green`이라는 낱말"}, {"파드이(**가)**", "파드이(가)"},
	} {
		u := &UI{}
		if got := strings.Join(u.markdown(c.text, 40), "|"); got != c.want {
			t.Errorf("%q became %q", c.text, got)
		}
	}
}

func TestMarkdown(t *testing.T) {
	u := &UI{}
	got := u.markdown("A **bold** word, `code`,\nand more.\n\n- one\n  goes on\n- two\n\n```\nkubectl  get\n```\nend", 30)
	want := []string{"A bold word, `code`, and more.", "", "- one goes on", "- two", "", "    kubectl  get", "", "end"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	u.Color = true
	if got := u.shown(u.markdown("`code`, and **bold**.", 30)); len(got) != 1 || got[0] != "\x1b[36m`code`\x1b[0m, and \x1b[1mbold\x1b[0m." {
		t.Errorf("got %q", got)
	}
}

// TestCommandsStayWhole: a command in a sentence is not broken where a line has room for
// it, and one in a block never.
func TestCommandsStayWhole(t *testing.T) {
	u := &UI{}
	got := u.markdown("Then type `kubectl get pods -o wide` and read it.\n\n```\nkubectl label pods --all team=green --overwrite\n```", 34)
	want := []string{"Then type", "`kubectl get pods -o wide` and", "read it.", "", "    kubectl label pods --all team=green --overwrite"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := u.markdown("`kubectl get pods -o wide`: it", 16); !slices.Equal(got, []string{"`kubectl get pods -o wide`:", "it"}) {
		t.Errorf("a command that is longer than a line: %q", got)
	}
	if got := u.rows(got...); got != 5 {
		t.Errorf("%d rows at 80 columns", got)
	}
	t.Setenv("COLUMNS", "40")
	if got := u.rows(got...); got != 6 {
		t.Errorf("%d rows at 40 columns", got)
	}
}

// TestRealLabsFit lays out every text of the real labs at 60 columns.
func TestRealLabsFit(t *testing.T) {
	all, err := format.LoadAll(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	u := &UI{}
	for _, l := range all {
		env, _ := labtest.Env(t)
		env.WorkDir = "/var/lib/labs"
		s, _ := labtest.OpenWorld(env, l)
		for _, language := range []string{"en", "ko"} {
			lang.Set(language)
			for id, section := range l.Prose[language].Sections {
				text, err := s.Render(t.Context(), section.Text, freshState(l))
				if err != nil {
					t.Fatal(err)
				}
				for _, line := range u.markdown(text, 60) {
					if w := cells.StringWidth(line); w > 60 {
						t.Errorf("%s %s %s: %d columns: %s", l.ID, language, id, w, line)
					}
				}
			}
		}
		lang.Set("en")
	}
}

func TestListNarrow(t *testing.T) {
	lang.Set("ko")
	defer lang.Set("en")
	t.Setenv("COLUMNS", "60")
	env, out := labtest.Env(t)
	all, err := format.LoadAll(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	state, err := run.StoreFor(env).Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := New(env, true, true).List(Entries(all, state)); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if w := cells.StringWidth(line); w > 60 {
			t.Errorf("%d columns: %s", w, line)
		}
	}
	if !strings.Contains(out.String(), "8단계, 약 25분") {
		t.Error(out.String())
	}
}

func FuzzMarkdown(f *testing.F) {
	f.Add("a **b** `c`\n```\nx\n```\n- y", 20)
	f.Add("파드 **파드**파드 `파드`", 9)
	f.Fuzz(func(t *testing.T, text string, width int) {
		if len(text) > 2000 || width < 0 || width > 200 || strings.Contains(text, "```") {
			return
		}
		for _, line := range (&UI{}).markdown(text, width) {
			if w := cells.StringWidth(line); w > max(width, 10) && w > cells.StringWidth(longestWord(line))+2 {
				t.Fatalf("%d columns of %d: %q", w, width, line)
			}
		}
	})
}

// longestWord is what can't be broken.
func longestWord(line string) (longest string) {
	for _, w := range strings.Split(line, " ") {
		if len(w) > len(longest) {
			longest = w
		}
	}
	return longest
}
