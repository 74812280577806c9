// Package run is a lab in progress: it prepares the lab's namespace, watches
// the step that is open until the cluster is right, keeps points and history,
// and puts everything back. It prints nothing; package screen does.
//
//	session.go            one lab of one learner; its state, and its texts
//	setup.go, apply.go    the lab's world is made
//	watch.go, changes.go  the open step is looked at whenever something changed
//	grade.go, checks.go   one look at it: does it pass, and if not, why
//	memory.go             what a step remembers from when it was opened
//	hint.go, score.go     which hints apply, what they cost; the points
//	advance.go, solve.go  on to the next step, by oneself or by the solution
//	remove.go, reset.go   the world is taken away, and put back
//	alone.go              by one process at a time
package run
