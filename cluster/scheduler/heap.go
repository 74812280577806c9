package scheduler

// queuedPodHeap is a heap for container/heap whose pods know their index in it, so
// that one can be taken out of the middle (upstream's pkg/scheduler/backend/heap).
type queuedPodHeap struct {
	pods []*queuedPodInfo
	less func(a, b *queuedPodInfo) bool
}

func (h *queuedPodHeap) Len() int           { return len(h.pods) }
func (h *queuedPodHeap) Less(i, j int) bool { return h.less(h.pods[i], h.pods[j]) }
func (h *queuedPodHeap) Swap(i, j int) {
	h.pods[i], h.pods[j] = h.pods[j], h.pods[i]
	h.pods[i].index, h.pods[j].index = i, j
}
func (h *queuedPodHeap) Push(x any) {
	p := x.(*queuedPodInfo)
	p.index = len(h.pods)
	h.pods = append(h.pods, p)
}
func (h *queuedPodHeap) Pop() any {
	last := h.pods[len(h.pods)-1]
	h.pods = h.pods[:len(h.pods)-1]
	return last
}
