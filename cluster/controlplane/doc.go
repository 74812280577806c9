// Package controlplane holds no code: its tests run the API server, the scheduler and
// the controllers together, with nodes that are only pretended.
package controlplane
