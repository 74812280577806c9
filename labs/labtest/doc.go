// Package labtest is a cluster made of nothing but objects in memory, for the
// tests of the lab packages. Nothing runs in it: pods are as ready as a test
// says, and commands in containers read files of the test's folder.
package labtest
