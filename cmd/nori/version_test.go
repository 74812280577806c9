package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/testbed"
)

// typedIn runs a command in a home that has a testbed with some state, and gives what it
// printed.
func typedIn(t *testing.T, state string, args ...string) (out string, err error) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("NORI_HOME", home)
	t.Setenv("NORI_CACHE", "")
	t.Setenv("NORI_TESTBED", "")
	path := filepath.Join(home, "testbeds", "one", "state.json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(state), 0o600)); err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	g := &globals{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stdout}
	root := newRootCommand(g)
	root.SetOut(&stdout)
	root.SetArgs(args)
	err = root.Execute()
	if err != nil && g.explain(err, false) != exitUsage {
		t.Errorf("%v ends with another exit code: %v", args, err)
	}
	if after, read := os.ReadFile(path); read != nil || string(after) != state {
		t.Errorf("%v changed the state: %s", args, after)
	}
	return stdout.String(), err
}

const (
	olderState = `{"spec": {"name": "one", "driver": "nspawn", "nodes": 1}, "subnet": "10.77.1.0/24", "imageID": "abc"}`
	ownState   = `{"version": 1, "nori": "v2", "madeBy": "v1", "programs": {"nori": "v2", "sum": "x"}, "spec": {"name": "one", "nodes": 1}, "subnet": "10.77.1.0/24", "imageID": "abc"}`
	newerState = `{"version": 7, "nori": "v9", "madeBy": "v9", "spec": {"name": "one"}, "subnet": "10.77.0.0/24"}`
)

func TestVersion(t *testing.T) {
	for state, want := range map[string]testbed.Version{
		olderState: {Name: "one", ImageID: "abc"},
		ownState:   {Name: "one", MadeBy: "v1", Programs: "v2", WrittenBy: "v2", ImageID: "abc"},
		newerState: {Name: "one", MadeBy: "v9", WrittenBy: "v9", Newer: true},
	} {
		out, err := typedIn(t, state, "version", "-o", "json")
		var v versionInfo
		if err := errors.Join(err, json.Unmarshal([]byte(out), &v)); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if v.Nori != build.Version() || !strings.HasPrefix(v.Go, "go1.") || v.Kubernetes == "" || v.Image.ID != image.PresentID() || v.Image.Cached {
			t.Errorf("got %+v", v)
		}
		if len(v.Testbeds) != 1 || v.Testbeds[0] != want {
			t.Errorf("the testbeds are %+v, want %+v", v.Testbeds, want)
		}
	}
	for language, says := range map[string]string{lang.English: "an older one", lang.Korean: "이전 것"} {
		lang.Set(language)
		t.Cleanup(func() { lang.Set(lang.English) })
		if out, err := typedIn(t, olderState, "version"); err != nil || !strings.Contains(out, says) || !strings.Contains(out, "CoreDNS") {
			t.Errorf("%v, %s", err, out)
		}
	}
	if out, err := typedIn(t, olderState, "--version"); err != nil || out != shortVersion()+"\n" || !strings.HasPrefix(out, "nori "+build.Version()) {
		t.Errorf("--version: %v, %q", err, out)
	}
}

// TestNewerStateIsRefused by all commands, in one sentence, and with exit code 2.
func TestNewerStateIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"status"}, {"reset"}, {"snapshot", "list"}, {"snapshot", "save", "x"}, {"node", "add"}, {"kubectl", "get", "pods"},
		{"lab", "status"}, {"ssh", "control"}, {"fault", "recover"},
	} {
		out, err := typedIn(t, newerState, args...)
		var newer *format.NewerError
		if !errors.As(err, &newer) || !strings.Contains(err.Error(), "written by nori v9 in format 7") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func TestSpaceAsJSON(t *testing.T) {
	out, err := typedIn(t, olderState, "status", "--space", "-o", "json")
	var s testbed.Space
	if err := errors.Join(err, json.Unmarshal([]byte(out), &s)); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(s.Testbeds) != 1 || s.Testbeds[0].Name != "one" || s.Bytes < s.Testbeds[0].Bytes || s.Testbeds[0].Bytes == 0 {
		t.Errorf("got %+v", s)
	}
	if out, err := typedIn(t, olderState, "status", "--space"); err != nil || !strings.Contains(out, "all of it") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestPruneAsks: silence is no yes.
func TestPruneAsks(t *testing.T) {
	for answer, want := range map[string]bool{"": false, "2\n": false, "1\n": true} {
		g := &globals{stdin: strings.NewReader(answer), stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
		yes, err := g.mayPrune(1 << 30)
		var usage *testbed.UsageError
		if yes != want || (answer == "") != errors.As(err, &usage) {
			t.Errorf("%q means %v, %v", answer, yes, err)
		}
	}
}

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 KiB", 1: "1 KiB", 5000: "5 KiB", 1 << 20: "1.0 MiB", 5 << 29: "2.5 GiB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
