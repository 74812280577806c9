package scheduler

import (
	"math"
	"reflect"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func port(number int32, ip string) podOption {
	return func(p *v1.Pod) {
		p.Spec.Containers[0].Ports = []v1.ContainerPort{{HostPort: number, HostIP: ip, Protocol: v1.ProtocolTCP}}
	}
}

func spreadOver(key string, skew int32) podOption {
	return func(p *v1.Pod) {
		p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{TopologyKey: key, MaxSkew: skew,
			WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}
	}
}

func initContainer(cpu string, sidecar bool) podOption {
	return func(p *v1.Pod) {
		c := v1.Container{Name: "init", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu)}}}
		if sidecar {
			c.RestartPolicy = ptr.To(v1.ContainerRestartPolicyAlways)
		}
		p.Spec.InitContainers = append(p.Spec.InitContainers, c)
	}
}

func TestFilters(t *testing.T) {
	cordoned := func(n *v1.Node) { n.Spec.Unschedulable = true }
	selector := func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} }
	const (
		cpu     = "Insufficient cpu"
		ports   = "node(s) didn't have free ports for the requested pod ports"
		tainted = "node(s) had untolerated taint(s)"
		spread  = "node(s) didn't match pod topology spread constraints"
	)
	for name, c := range map[string]struct {
		pod   *v1.Pod
		node  *v1.Node
		there []*v1.Pod // on the node, or elsewhere
		want  *status
	}{
		"an empty node":                   {pod: testPod("p"), node: testNode("n")},
		"cordoned":                        {testPod("p"), testNode("n", cordoned), nil, &status{[]string{"node(s) were unschedulable"}, true}},
		"cordoned and tolerated":          {pod: testPod("p", tolerates(v1.TaintNodeUnschedulable)), node: testNode("n", cordoned)},
		"NoSchedule taint":                {testPod("p"), testNode("n", taint("x", v1.TaintEffectNoSchedule)), nil, &status{[]string{tainted}, true}},
		"NoExecute taint":                 {testPod("p"), testNode("n", taint("x", v1.TaintEffectNoExecute)), nil, &status{[]string{tainted}, true}},
		"PreferNoSchedule is only a wish": {pod: testPod("p"), node: testNode("n", taint("x", v1.TaintEffectPreferNoSchedule))},
		"tolerated taint":                 {pod: testPod("p", tolerates("x")), node: testNode("n", taint("x", v1.TaintEffectNoSchedule))},
		"node selector":                   {testPod("p", selector), testNode("n"), nil, &status{[]string{"node(s) didn't match Pod's node affinity/selector"}, true}},
		"node selector matches":           {pod: testPod("p", selector), node: testNode("n", nodeLabel("disk", "ssd"))},
		"all of the CPU":                  {pod: testPod("p", requests("2", "1Gi")), node: testNode("n")},
		"a bit more than is left": {testPod("p", requests("1001m", "1Gi")), testNode("n"),
			[]*v1.Pod{testPod("q", on("n"), requests("1", "1Gi"))}, &status{[]string{cpu}, false}},
		"more than the node ever has": {testPod("p", requests("3", "5Gi")), testNode("n"), nil,
			&status{[]string{cpu, "Insufficient memory"}, true}},
		"one reason that eviction can't resolve is enough": {testPod("p", requests("3", "3500Mi")), testNode("n"),
			[]*v1.Pod{testPod("q", on("n"), requests("1", "1Gi"))}, &status{[]string{cpu, "Insufficient memory"}, true}},
		"the largest init container counts":  {testPod("p", requests("1", "1Gi"), initContainer("2500m", false)), testNode("n"), nil, &status{[]string{cpu}, true}},
		"init containers are not summed":     {pod: testPod("p", requests("1", "1Gi"), initContainer("1500m", false), initContainer("1500m", false)), node: testNode("n")},
		"sidecars are summed":                {testPod("p", requests("1", "1Gi"), initContainer("600m", true), initContainer("600m", true)), testNode("n"), nil, &status{[]string{cpu}, true}},
		"overhead":                           {testPod("p", requests("2", "1Gi"), func(p *v1.Pod) { p.Spec.Overhead = v1.ResourceList{v1.ResourceCPU: resource.MustParse("1m")} }), testNode("n"), nil, &status{[]string{cpu}, true}},
		"requests of nothing fit a full CPU": {pod: testPod("p"), node: testNode("n"), there: []*v1.Pod{testPod("q", on("n"), requests("2", "1Gi"))}},
		"an extended resource": {testPod("p", func(p *v1.Pod) {
			p.Spec.Containers[0].Resources.Requests = v1.ResourceList{"example.com/gpu": resource.MustParse("1")}
		}), testNode("n"), nil, &status{[]string{"Insufficient example.com/gpu"}, true}},
		"too many pods": {testPod("p"), testNode("n", func(n *v1.Node) { n.Status.Allocatable[v1.ResourcePods] = resource.MustParse("1") }),
			[]*v1.Pod{testPod("q", on("n"))}, &status{[]string{"Too many pods"}, false}},
		"host port taken":                 {testPod("p", port(80, "")), testNode("n"), []*v1.Pod{testPod("q", on("n"), port(80, "127.0.0.1"))}, &status{[]string{ports}, false}},
		"host port on another address":    {pod: testPod("p", port(80, "127.0.0.2")), node: testNode("n"), there: []*v1.Pod{testPod("q", on("n"), port(80, "127.0.0.1"))}},
		"host port taken on another node": {pod: testPod("p", port(80, "")), node: testNode("n"), there: []*v1.Pod{testPod("q", on("other"), port(80, ""))}},
		"must be near, and is":            {pod: testPod("p", near("db")), node: testNode("n"), there: []*v1.Pod{testPod("q", on("n"), podLabels("app", "db"))}},
		"must be near, and is not": {testPod("p", near("db")), testNode("n"), []*v1.Pod{testPod("q", on("other"), podLabels("app", "db"))},
			&status{[]string{"node(s) didn't match pod affinity rules"}, true}},
		"the first of its kind need not be near": {pod: testPod("p", near("db"), podLabels("app", "db")), node: testNode("n")},
		"must be away": {testPod("p", awayFrom("web")), testNode("n"), []*v1.Pod{testPod("q", on("n"), podLabels("app", "web"))},
			&status{[]string{"node(s) didn't match pod anti-affinity rules"}, false}},
		"must be away, in another namespace": {pod: testPod("p", awayFrom("web")), node: testNode("n"),
			there: []*v1.Pod{testPod("q", on("n"), podLabels("app", "web"), func(p *v1.Pod) { p.Namespace = "other" })}},
		"one there must be away from it": {testPod("p", podLabels("app", "web")), testNode("n"), []*v1.Pod{testPod("q", on("n"), awayFrom("web"))},
			&status{[]string{"node(s) didn't satisfy existing pods anti-affinity rules"}, false}},
		"uneven": {testPod("p", podLabels("app", "web"), spreadOver(v1.LabelHostname, 1)), testNode("n"),
			[]*v1.Pod{testPod("q", on("n"), podLabels("app", "web"))}, &status{[]string{spread}, false}},
		"even enough": {pod: testPod("p", podLabels("app", "web"), spreadOver(v1.LabelHostname, 2)), node: testNode("n"),
			there: []*v1.Pod{testPod("q", on("n"), podLabels("app", "web"))}},
		"spread over a label that is missing": {testPod("p", podLabels("app", "web"), spreadOver("zone", 1)), testNode("n"), nil,
			&status{[]string{spread + " (missing required label)"}, true}},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []metav1.Object{c.node, testNode("other")}
			for _, p := range c.there {
				objects = append(objects, p)
			}
			_, cycle := cluster(c.pod, objects...)
			got, by := cycle.runFilterPlugins(cycle.nodes[0])
			if cycle.nodes[0].name != "n" {
				t.Fatalf("looking at node %s", cycle.nodes[0].name)
			}
			if (by != nil) != (c.want != nil) || !reflect.DeepEqual(got, c.want) {
				t.Errorf("status %+v of plugin %+v, want %+v", got, by, c.want)
			}
		})
	}
}

func TestScoresPreferWhatTheyShould(t *testing.T) {
	prefersSSD := func(p *v1.Pod) {
		affinityOf(p).NodeAffinity = &v1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.PreferredSchedulingTerm{{Weight: 10,
			Preference: v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: "disk", Operator: v1.NodeSelectorOpIn, Values: []string{"ssd"}}}}}}}
	}
	prefersNear := func(p *v1.Pod) {
		affinityOf(p).PodAffinity = &v1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.WeightedPodAffinityTerm{{Weight: 1, PodAffinityTerm: hostname("db")}}}
	}
	owned := func(p *v1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web", UID: "rs", Controller: ptr.To(true)}}
	}
	bigImage := func(n *v1.Node) {
		n.Status.Images = []v1.ContainerImage{{Names: []string{"docker.io/library/nginx:latest"}, SizeBytes: 900 << 20}}
	}
	for name, c := range map[string]struct {
		pod          *v1.Pod
		better, than *v1.Node
		there        []*v1.Pod
	}{
		"the emptier node":            {testPod("p"), testNode("a"), testNode("b"), []*v1.Pod{testPod("q", on("b"), requests("1", "2Gi"))}},
		"pods without requests count": {testPod("p"), testNode("a"), testNode("b"), []*v1.Pod{testPod("q", on("b"))}},
		"fewer siblings":              {testPod("p", owned), testNode("a"), testNode("b"), []*v1.Pod{testPod("q", owned, on("b")), testPod("r", on("a"))}},
		"no PreferNoSchedule taint":   {testPod("p"), testNode("a"), testNode("b", taint("x", v1.TaintEffectPreferNoSchedule)), nil},
		"the preferred node":          {testPod("p", prefersSSD), testNode("a", nodeLabel("disk", "ssd")), testNode("b"), nil},
		"the preferred neighbour":     {testPod("p", prefersNear), testNode("a"), testNode("b"), []*v1.Pod{testPod("q", on("a"), podLabels("app", "db"))}},
		"the image is there":          {testPod("p"), testNode("a", bigImage), testNode("b"), nil},
		"CPU and memory in balance": {testPod("p", requests("1", "100Mi")), testNode("a"), testNode("b"),
			[]*v1.Pod{testPod("q", on("a"), requests("100m", "2Gi")), testPod("r", on("b"), requests("1100m", "100Mi"))}},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []metav1.Object{c.better, c.than}
			for _, p := range c.there {
				objects = append(objects, p)
			}
			_, cycle := cluster(c.pod, objects...)
			totals := prioritizeNodes(cycle, cycle.nodes)
			if totals[0] <= totals[1] {
				t.Errorf("scores %v, want the first higher", totals)
			}
			for _, p := range plugins {
				if p.score == nil {
					continue
				}
				for _, score := range p.score(cycle, cycle.nodes) {
					if score < 0 || score > maxNodeScore || math.IsNaN(score) {
						t.Errorf("%s gives a score of %v", p.name, score)
					}
				}
			}
		})
	}
}
