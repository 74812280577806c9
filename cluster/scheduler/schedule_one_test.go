package scheduler

import (
	"context"
	"fmt"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func TestTiesAreBrokenAtRandom(t *testing.T) {
	counts := map[int]int{}
	for range 3000 {
		counts[selectHost([]float64{1, 7, 7, 3, 7})]++
	}
	for _, i := range []int{1, 2, 4} {
		if counts[i] < 800 || counts[i] > 1200 {
			t.Errorf("counts %v, want about 1000 for each of 1, 2 and 4", counts)
		}
	}
}

func BenchmarkScheduling(b *testing.B) {
	for _, nodes := range []int{3, 100, 1000, 5000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			s, _ := cluster(testPod("none"))
			for i := range nodes {
				s.cache.addOrUpdateNode(testNode(fmt.Sprintf("node%04d", i), func(n *v1.Node) {
					n.Status.Allocatable[v1.ResourcePods] = *ptr.To(n.Status.Allocatable[v1.ResourceCPU])
				}))
				s.cache.nodes[fmt.Sprintf("node%04d", i)].allowedPodNumber = 1 << 30
			}
			owner := []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web", UID: "rs", Controller: ptr.To(true)}}
			b.ResetTimer()
			for i := range b.N {
				pod := testPod(fmt.Sprintf("p%d", i))
				pod.OwnerReferences = owner
				node, err := s.schedulePod(context.Background(), pod)
				if err != nil {
					b.Fatal(err)
				}
				s.cache.assumePod(pod, node)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pods/s")
		})
	}
}
