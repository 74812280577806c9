package trace

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDecideIsReadBackByParse(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var out bytes.Buffer
	Setup("scheduler", &out, slog.LevelInfo)

	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "u1"}}
	Decide(context.Background(), For(pod), "assigned to node1", "highest score", "score", 87, "feasible", []string{"node1", "node2"})

	r, ok := Parse(bytes.TrimSpace(out.Bytes()))
	if !ok {
		t.Fatalf("Parse took %q for no decision", out.String())
	}
	want := Record{Time: r.Time, Component: "scheduler", What: "assigned to node1", Why: "highest score",
		Object: Object{Kind: "Pod", Namespace: "default", Name: "web", UID: "u1"},
		Source: r.Source, Func: "trace.TestDecideIsReadBackByParse",
		Detail: map[string]any{"score": 87.0, "feasible": []any{"node1", "node2"}}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(r.Source, "cluster/trace/trace_test.go:") {
		t.Errorf("source is %q, want cluster/trace/trace_test.go:LINE", r.Source)
	}
	if r.Time.IsZero() {
		t.Error("the record has no time")
	}
}

func TestDecideRespectsTheLevel(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var out bytes.Buffer
	Setup("scheduler", &out, slog.LevelWarn)
	Decide(context.Background(), Object{Kind: "Pod", Name: "web"}, "x", "y")
	if out.Len() != 0 {
		t.Errorf("logged %q above the level asked for", out.String())
	}
}

func TestForTakesTheKindOfTypedAndUntypedObjects(t *testing.T) {
	untyped := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: "Widget"}, ObjectMeta: metav1.ObjectMeta{Name: "w"}}
	var missing *v1.Node
	for _, c := range []struct {
		got  Object
		want Object
	}{
		{For(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node1"}}), Object{Kind: "Node", Name: "node1"}},
		{For(untyped), Object{Kind: "Widget", Name: "w"}},
		{For(missing), Object{}},
		{For(nil), Object{}},
	} {
		if c.got != c.want {
			t.Errorf("For = %+v, want %+v", c.got, c.want)
		}
	}
}

func TestParseRefusesOtherLines(t *testing.T) {
	for _, line := range []string{
		"", "{", "null", "[]", "I1121 09:00:00.0 1 reflector.go:1] klog",
		`{"time":"2026-11-21T09:00:00Z","level":"INFO","msg":"started","component":"scheduler"}`,
		`{"msg":"x","object":{"name":"no kind"},"source":"a.go:1"}`,
		`{"msg":"x","object":"a string","source":"a.go:1"}`,
	} {
		if r, ok := Parse([]byte(line)); ok {
			t.Errorf("Parse(%q) = %+v, want no decision", line, r)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-21T09:00:00Z","level":"INFO","msg":"assigned","component":"scheduler","why":"score","object":{"kind":"Pod","namespace":"default","name":"web"},"source":"cluster/scheduler/bind.go:42","func":"scheduler.bind","score":1}`))
	f.Add([]byte(`{"object":{"kind":"Pod"},"source":"x","Source":3}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, ok := Parse(line)
		if ok && (r.Object.Kind == "" || r.Source == "") {
			t.Errorf("accepted a record without kind or source: %+v", r)
		}
	})
}
