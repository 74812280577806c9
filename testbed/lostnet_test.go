package testbed

import (
	"os"
	"strings"
	"testing"

	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
)

// TestLoopbackIsNotLeft: `nori down` of an isolated testbed looks for what is left from
// inside its namespace, whose loopback wears its mark and can't be removed.
func TestLoopbackIsNotLeft(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	const name = "test-lo"
	home := Home{t.TempDir()}
	if err := netns.Create(name, home.testbed(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(name); err != nil {
			t.Error(err)
		}
	})
	var found []machine.Leftover
	err := netns.Do(name, func() (err error) {
		found, err = lostNetworks(machine.Look{Testbeds: home.testbeds(), Names: []string{name}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range found {
		if strings.Contains(l.What.EN, "network card") {
			t.Errorf("%s is taken for what is left", l.What)
		}
	}
}
