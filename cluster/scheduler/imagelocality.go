package scheduler

import (
	"strings"

	v1 "k8s.io/api/core/v1"
)

// The bytes of images on a node between which the score rises from 0 to maxNodeScore;
// the upper one is for each container. Most images of public registries lie between
// the two. (Upstream's framework/plugins/imagelocality/image_locality.go.)
const (
	minImageThreshold     = 23 << 20
	maxContainerThreshold = 1000 << 20
)

// imageLocalityScore prefers nodes that have the pod's images already, by their size:
// those need not be pulled.
func imageLocalityScore(c *cycleState, nodes []*nodeInfo) []float64 {
	images := imagesOf(c.pod)
	count := len(c.pod.Spec.InitContainers) + len(c.pod.Spec.Containers)
	numNodes := nodesWithImage(c.nodes, images)
	return scoreEach(nodes, func(n *nodeInfo) float64 {
		sum := 0.0
		for _, image := range images {
			// The share of nodes with the image is a factor, because an image that only
			// one node has would draw all pods of its kind to that node.
			sum += float64(n.imageSizes[image]) * numNodes[image] / float64(len(c.nodes))
		}
		sum = min(max(sum, minImageThreshold), float64(maxContainerThreshold*count))
		return maxNodeScore * (sum - minImageThreshold) / float64(maxContainerThreshold*count-minImageThreshold)
	})
}

func imagesOf(pod *v1.Pod) []string {
	var images []string
	for _, containers := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			images = append(images, imageNames(containers[i].Image)...)
		}
	}
	return images
}

func nodesWithImage(nodes []*nodeInfo, images []string) map[string]float64 {
	counts := map[string]float64{}
	for _, n := range nodes {
		for _, image := range images {
			if _, ok := n.imageSizes[image]; ok {
				counts[image]++
			}
		}
	}
	return counts
}

// imageNames are the forms under which a node may list an image: as the pod writes it,
// and in full, as the runtime does. (Upstream compares only the first.)
func imageNames(name string) []string {
	// A colon before the last slash belongs to the registry's port, not to a tag.
	if strings.LastIndex(name, ":") <= strings.LastIndex(name, "/") {
		name += ":latest"
	}
	switch first, _, nested := strings.Cut(name, "/"); {
	case !nested:
		return []string{name, "docker.io/library/" + name}
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		return []string{name, "docker.io/" + name} // first is a user, not a registry
	}
	return []string{name}
}
