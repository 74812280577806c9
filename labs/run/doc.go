// Package run is a lab in progress: it prepares the lab's namespace, watches
// the step that is open until the cluster is right, keeps points and history,
// and puts everything back. It prints nothing; package screen does.
package run
