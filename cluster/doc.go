// Package cluster holds the control plane and the nodes. It does nothing
// itself; it carries the source of what is below it, because that is part of
// the lessons: a lab ends by naming the lines that did what was seen.
package cluster
