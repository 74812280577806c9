package lint

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/labs/skeleton"
)

func TestBuiltIn(t *testing.T) {
	if found, err := BuiltIn(); err != nil || len(found) > 0 {
		t.Fatalf("%v\n%v", err, found)
	}
}

func TestPath(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"good", "bad"} {
		if _, err := skeleton.Write(dir, name); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	yaml, err := os.ReadFile(filepath.Join(dir, "bad", "lab.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write("bad/lab.yaml", strings.Replace(string(yaml), "path: cluster/agent/pods,", "path: cluster/agent/pods, func: noSuchThing,", 1))
	ko, err := os.ReadFile(filepath.Join(dir, "bad", "ko.md"))
	if err != nil {
		t.Fatal(err)
	}
	write("bad/ko.md", strings.Replace(string(ko), "레이블", "라벨", 1))
	testbed, wrong := write("testbed.yaml", "nodes: 3\n"), write("wrong.yaml", "nods: 3\n")
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "good"), ""},
		{filepath.Join(dir, "good", "en.md"), ""},
		{filepath.Join(dir, "bad"), "bad/lab.yaml:38:5: sources: cluster/agent/pods has no function noSuchThing"},
		{filepath.Join(dir, "bad", "lab.yaml"), "has no function noSuchThing"},
		{filepath.Join(dir, "bad"), "bad/ko.md:9: \"라벨\": write 레이블"},
		{dir, "bad/ko.md:9: \"라벨\": write 레이블"},
		{dir, "bad/lab.yaml:38:5: sources: "},
		{testbed, ""},
		{wrong, `wrong.yaml:1:1: unknown field "nods"`},
	} {
		found, err := Path(c.path)
		if err != nil || (c.want == "") != (len(found) == 0) || !strings.Contains(found.Error(), c.want) {
			t.Errorf("%s: %v\n%v", c.path, err, found)
		}
	}
	quiz := filepath.Join(t.TempDir(), "mine")
	if err := os.Mkdir(quiz, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(quiz, "quiz.yaml"), []byte("topic: mine\nquestons: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(quiz, "quiz.yaml") + `:2:1: unknown field "questons" (did you mean "questions"?)`
	if found, err := Path(quiz); err != nil || found.Error() != want {
		t.Errorf("%v: %v, want %s", err, found, want)
	}
	if _, err := Path(write("note.txt", "x")); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	if _, err := Path(t.TempDir()); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	if _, err := Path(filepath.Join(dir, "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
