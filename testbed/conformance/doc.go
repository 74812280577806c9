// Package conformance holds a testbed against Kubernetes' own conformance cases
// (test/conformance/testdata/conformance.yaml and test/e2e of k8s.io/kubernetes,
// at the version in go.mod). `make conformance` runs all of it, in about half an
// hour; `make test` runs some groups of the cases, by turns.
//
// The cases are upstream's code, unchanged. Their images can't be pulled here, so
// package images makes them from Debian's packages and upstream's agnhost.
//
// What is left out, each line with its reason, is in the file skip. A case that is
// neither there nor passes makes the run fail.
package conformance
