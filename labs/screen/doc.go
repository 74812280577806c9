// Package screen is what a learner sees of a lab. On a terminal it shows one
// step at a time and redraws the state of its checks in place; with --plain,
// or through a pipe, it prints lines and numbered choices. Everything fits 60
// columns, Korean's double-width characters included.
package screen
