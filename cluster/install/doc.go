// Package install turns machines into a cluster: the visible list of steps
// from an empty Debian host with containerd to nodes that are Ready.
//
// Every step is idempotent. A step that starts a unit leaves a stamp of what
// it was started from, so that running the list again restarts only what has
// changed.
package install
