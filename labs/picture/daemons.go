package picture

import (
	"fmt"
	"sort"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/expr"
)

// daemons draws, for each DaemonSet, every node with its daemon's state, or
// why it has none.
func (s *Scene) daemons() []string {
	var out []string
	for _, ds := range s.DaemonSets {
		if s.Name != "" && name(ds) != s.Name {
			continue
		}
		head := lang.T(
			fmt.Sprintf("DaemonSet %s: %d of %d ready", name(ds), number(ds, "status", "numberReady"), number(ds, "status", "desiredNumberScheduled")),
			fmt.Sprintf("데몬셋 %s: %d개 중 %d개 준비", name(ds), number(ds, "status", "desiredNumberScheduled"), number(ds, "status", "numberReady")))
		var rows []string
		for _, n := range s.Nodes {
			rows = append(rows, s.daemonOn(ds, n)...)
		}
		out = append(out, box(head, rows)...)
	}
	if len(out) == 0 {
		return box(lang.T("no DaemonSet yet", "아직 데몬셋이 없음"), nodeRows(s.Nodes))
	}
	return out
}

func nodeRows(nodes []object) (rows []string) {
	for _, n := range nodes {
		rows = append(rows, name(n)+nodeState(n))
	}
	return rows
}

// daemonOn is what one node has of a DaemonSet.
func (s *Scene) daemonOn(ds, node object) []string {
	var rows []string
	for _, p := range s.Pods {
		if text(p, "spec", "nodeName") != name(node) || expr.Controller(p) != "DaemonSet/"+name(ds) {
			continue
		}
		rows = append(rows, fit(name(node), 9)+" "+fit(name(p), 20)+" "+fit(status(p), 18)+imageTag(p))
	}
	if len(rows) > 0 {
		return rows
	}
	return []string{fit(name(node), 9) + " -- " + whyNone(ds, node)}
}

// imageTag is the last part of a pod's first image: its version.
func imageTag(pod object) string {
	for _, c := range list(pod, "spec", "containers") {
		image := text(c, "image")
		for i := len(image) - 1; i >= 0 && image[i] != '/'; i-- {
			if image[i] == ':' {
				return image[i+1:]
			}
		}
	}
	return ""
}

// tolerated are the taints that every daemon tolerates, as the DaemonSet
// controller adds them.
var tolerated = []v1.Toleration{
	{Key: v1.TaintNodeNotReady, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute},
	{Key: v1.TaintNodeUnreachable, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute},
	{Key: v1.TaintNodeDiskPressure, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoSchedule},
	{Key: v1.TaintNodeMemoryPressure, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoSchedule},
	{Key: v1.TaintNodePIDPressure, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoSchedule},
	{Key: v1.TaintNodeUnschedulable, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoSchedule},
}

// whyNone says why a node has no daemon.
func whyNone(ds, node object) string {
	var spec v1.PodSpec
	var n v1.Node
	template, _ := get(ds, "spec", "template", "spec").(object)
	if runtime.DefaultUnstructuredConverter.FromUnstructured(template, &spec) != nil ||
		runtime.DefaultUnstructuredConverter.FromUnstructured(node, &n) != nil {
		return "?" // an object of another shape than this version knows
	}
	for _, key := range keys(spec.NodeSelector) {
		if n.Labels[key] != spec.NodeSelector[key] {
			return lang.T("no label ", "레이블 없음: ") + key + "=" + spec.NodeSelector[key]
		}
	}
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(&v1.Pod{Spec: spec}).Match(&n); err != nil || !ok {
		return lang.T("its node affinity doesn't fit", "노드 어피니티가 맞지 않음")
	}
	taint, untolerated := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, append(append([]v1.Toleration{}, spec.Tolerations...), tolerated...),
		func(t *v1.Taint) bool { return t.Effect != v1.TaintEffectPreferNoSchedule }, false)
	if untolerated {
		return lang.T("untolerated taint ", "테인트 ") + shortTaint(taint)
	}
	return lang.T("not yet", "아직 없음")
}

// shortTaint leaves the long prefix out that the well-known taints have.
func shortTaint(t v1.Taint) string {
	key := t.Key
	for i := range key {
		if key[i] == '/' {
			key = key[i+1:]
			break
		}
	}
	return key + ":" + string(t.Effect)
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
