package quiz

import (
	"strings"
	"testing"

	"noriter.dev/noriter/internal/lang"
)

// proof runs the prover's part for one question.
func proof(t *testing.T, id string, replace ...string) Outcome {
	t.Helper()
	lang.Set("en")
	s, _ := start(t, replace...)
	p := &prover{s: s, kubeconfig: s.Env.Kubeconfig}
	return p.question(t.Context(), s.Quiz.Question(id))
}

func TestProofHolds(t *testing.T) {
	for _, id := range []string{"node", "shared", "labels", "address"} {
		if o := proof(t, id); !o.OK || o.Wrong == 0 {
			t.Errorf("got %+v", o)
		}
	}
}

// TestProofFinds breaks a question in a way that the prover must see.
func TestProofFinds(t *testing.T) {
	for _, c := range []struct{ name, question, old, new, want string }{
		{"kubectl says another thing", "node", "proof: echo node1", "proof: echo control", `computed ["node1"], but kubectl says ["control"]`},
		{"kubectl says more", "node", "proof: echo node1", "proof: echo node1 control", "but kubectl says"},
		{"kubectl says nothing", "labels", "proof: echo 1\n", "proof: 'true'\n", "but kubectl says []"},
		{"kubectl fails", "labels", "proof: echo 1\n", "proof: echo 1; exit 3\n", "exit status 3"},
		{"another number", "labels", "proof: echo 1\n", "proof: echo 2\n", "but kubectl says"},
		{"a gap in a text", "node", "it runs on {{pods[0].spec.nodeName}}", "it runs on {{pods[0].spec.nodName}}", "explain has a gap"},
		{"a gap in a reason", "node", "p is not on {{item}}", "p is not on {{pods[0].spec.x}}", "has a gap"},
		{"can't be asked", "never", "size(nodes) > 5", "size(nodes) > 6", "has not what the question is about"},
		{"no answer", "address", "pods[0].status.podIP", "pods[0].status.podIp", "no answer to it now"},
		{"several answers", "node", "      - expr: pods[0].spec.nodeName", "      - expr: nodes.map(n, n.metadata.name)", "several answers would be right"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := proof(t, c.question, c.old, c.new)
			if o.OK || !strings.Contains(o.Detail, c.want) {
				t.Errorf("got %+v, want %s", o, c.want)
			}
		})
	}
}
