// Package status works out what a pod's status says and brings it to the API.
//
//	generate.go         all of a status: GenerateAPIPodStatus, a pure function
//	containers.go       state, lastState and restartCount of each container
//	readiness.go        started and ready of each container, from what probes found
//	conditions.go       Initialized, ContainersReady, Ready and the others
//	phase.go            Pending, Running, Succeeded or Failed
//	status_manager.go   writes it: at once, only what changed, and never backwards
//
// So the way of a readiness probe to `kubectl get pods` is: package prober decides,
// readiness.go puts it into the container's status, conditions.go sums the containers up,
// status_manager.go writes. The EndpointSlice controller reads the condition Ready.
package status
