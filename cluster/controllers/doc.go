// Package controllers is the process that runs all control loops, as
// kube-controller-manager does.
//
// Each loop has a package of its own below this one, and knows nothing of the
// others: they meet only in the API, where one writes what another reads. They share
// a process because one cache of all pods is enough. The loops that are taught are
// ours; the others are the constructors of k8s.io/kubernetes/pkg/controller.
//
// A new loop of ours takes two things: a package with a New and a Run like that of
// replicaset, and a row in the table of descriptors.go. A loop of upstream's takes a
// constructor in upstream.go and a row.
//
// The packages that are no loops hold what several of them need: loop (the queue and
// its workers), podset (pods and their owners), history (old pod templates),
// templatehash (names of pod templates).
package controllers
