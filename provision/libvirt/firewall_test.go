package libvirt

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/provision/preflight"
)

// TestClosedChain loads firewalls' recorded rules into a namespace that stands for the host.
func TestClosedChain(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	const recorded = "../nspawn/testdata/"
	for script, want := range map[string]string{
		"true": "",
		"iptables-restore " + recorded + "docker.rules":                                                     "ip filter FORWARD",
		"iptables-restore " + recorded + "ufw.rules":                                                        "ip filter FORWARD",
		"nft -f " + recorded + "firewalld.nft":                                                              "inet firewalld filter_FORWARD",
		"nft 'table ip libvirt_network { chain f { type filter hook forward priority 0; policy drop; }; }'": "",
		"nft 'table ip a { chain f { type filter hook forward priority 0; tcp dport 1 drop; }; }'":          "",
	} {
		got := "?"
		err := preflight.Apart(unix.CLONE_NEWNET, func() (err error) {
			if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", script, err, out)
			}
			got, err = closedChain()
			return err
		})
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", script, got, err, want)
		}
	}
}
