package picture

import "noriter.dev/noriter/internal/lang"

// pods draws every node as a box with the lab's pods in it, and last those
// that are on no node.
func (s *Scene) pods() []string {
	on := map[string][]string{}
	for _, p := range s.Pods {
		node := text(p, "spec", "nodeName")
		on[node] = append(on[node], row(p, text(p, "status", "podIP")))
	}
	var out []string
	for _, n := range s.Nodes {
		head := name(n) + nodeState(n) + "  " + address(n)
		rows := on[name(n)]
		delete(on, name(n))
		if len(rows) == 0 {
			out = append(out, box(head, nil)[0])
			continue
		}
		out = append(out, box(head, some(rows))...)
	}
	for _, node := range keys(on) {
		head := lang.T("on no node yet", "아직 노드가 없음")
		if node != "" {
			head = node + lang.T(" (no longer a node)", " (이제 노드가 아님)")
		}
		out = append(out, box(head, some(on[node]))...)
	}
	return out
}
