package main

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestResetEach(t *testing.T) {
	var out bytes.Buffer
	failed := eachTestbed(t.Context(), []string{"a", "b", "c", "d"}, &out, func(ctx context.Context, name string) *exec.Cmd {
		switch name {
		case "b":
			return exec.CommandContext(ctx, "sh", "-c", "echo no snapshot >&2; exit 2")
		case "d":
			return exec.CommandContext(ctx, "/nonexistent/nori")
		}
		return exec.CommandContext(ctx, "sh", "-c", "echo one; echo two")
	})
	if !slices.Equal(failed, []string{"b", "d"}) {
		t.Errorf("failed: %v", failed)
	}
	for _, want := range []string{"a: one\n", "a: two\n", "b: no snapshot\n", "c: two\n", "d: fork/exec /nonexistent/nori"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// All run side by side: each waits for a file that another makes.
func TestResetEachIsParallel(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	script := `touch "$1"; for i in $(seq 600); do [ -e "$2" ] && exit 0; sleep 0.05; done; exit 1`
	failed := eachTestbed(t.Context(), []string{"a", "b"}, &out, func(ctx context.Context, name string) *exec.Cmd {
		other := map[string]string{"a": "b", "b": "a"}[name]
		return exec.CommandContext(ctx, "sh", "-c", script, "sh", dir+"/"+name, dir+"/"+other)
	})
	if len(failed) > 0 {
		t.Errorf("they waited for each other in vain: %v", failed)
	}
}
