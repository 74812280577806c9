// Package node is what a node tells the cluster of itself: it registers the Node
// object, renews its Lease so that the cluster knows it is alive, and reports what
// the machine has, what state it is in, and whether pods may come.
//
//	register.go     the Node object is made, or taken over
//	lease.go        "I am here", every 10 s
//	status.go       addresses, capacity, images, and when they are sent
//	conditions.go   Ready, and whether the runtime and its network are
//	pressure.go     MemoryPressure, DiskPressure, PIDPressure
//
// There are two heartbeats, as in Kubernetes since KEP-589: the Lease costs next to
// nothing; the large status is sent at once when something changed in it, and otherwise
// every five minutes. Most of it is pkg/kubelet/kubelet_node_status.go upstream.
package node
