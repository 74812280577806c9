package testbed

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A worker is named node1 to node9. Its number gives it its address, so that a
// worker keeps both whatever comes and goes beside it.

// worker is the name of the worker with a number.
func worker(number int) string { return "node" + strconv.Itoa(number) }

// number is a machine's place in its testbed: 0 for the control node, N for nodeN.
func number(name string) (int, bool) {
	if name == ControlName {
		return 0, true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "node"))
	return n, err == nil && n >= 1 && n <= MaxNodes && name == worker(n)
}

// workers are the workers' names, in order.
func (s State) workers() []string {
	if len(s.Workers) > 0 {
		return s.Workers
	}
	var names []string
	for i := range s.Spec.Nodes {
		names = append(names, worker(i+1))
	}
	return names
}

// machineNames are the machines' names, the control node first.
func (s State) machineNames() []string { return append([]string{ControlName}, s.workers()...) }

// setWorkers keeps the list and the number of workers together.
func (s *State) setWorkers(names []string) {
	s.Workers, s.Spec.Nodes = slices.Sorted(slices.Values(names)), len(names)
}

// freeWorker is the lowest name that no worker has.
func (s State) freeWorker() (string, error) {
	have := s.workers()
	for i := range MaxNodes {
		if name := worker(i + 1); !slices.Contains(have, name) {
			return name, nil
		}
	}
	return "", usage("testbed %q has %d workers already, which is the most there can be", "테스트베드 %q에는 이미 워커가 %d대 있습니다. 더 늘릴 수 없습니다", s.Spec.Name, MaxNodes)
}

// checkWorker holds a worker's name to its rule.
func checkWorker(name string) error {
	if n, ok := number(name); !ok || n == 0 {
		return usage("%q can't be a worker's name; it must be one of %s to %s", "%q은(는) 워커 이름이 될 수 없습니다. %s부터 %s까지 중 하나여야 합니다", name, worker(1), worker(MaxNodes))
	}
	return nil
}

// address is a machine's fixed address: control has .10, nodeN has .10+N.
func address(subnet netip.Prefix, name string) netip.Addr {
	n, ok := number(name)
	if !ok {
		panic(fmt.Sprintf("no machine is ever named %q", name)) // names are checked where they come in
	}
	a := subnet.Masked().Addr().As4()
	a[3] = byte(10 + n)
	return netip.AddrFrom4(a)
}
