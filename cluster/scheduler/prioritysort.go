package scheduler

// prioritySortLess says which of two waiting pods is tried first: the plugin
// PrioritySort (upstream's framework/plugins/queuesort/priority_sort.go).
// Among pods of the same priority it is the one that came first, however often it
// has failed since.
func prioritySortLess(a, b *queuedPodInfo) bool {
	if pa, pb := podPriority(a.pod), podPriority(b.pod); pa != pb {
		return pa > pb
	}
	return a.addedAt.Before(b.addedAt)
}
