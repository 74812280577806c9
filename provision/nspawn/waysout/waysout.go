// Package waysout tries what somebody would try who wants out of a container machine. It
// is for tests: as root of a machine those of nspawn run it, from pods of all kinds those
// of the whole.
package waysout

import (
	_ "embed" // for the script
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

//go:embed waysout.sh
var script string

// Closed is what the script prints if there is no way out.
const Closed = "done"

// The places where a script runs.
const (
	Node = "node"
	Pod  = "pod"
)

// Script gives the script for a place. Until the end of the test, the host has what it
// looks for: a process and a socket of a name, and a key in the keyring of its root.
func Script(t testing.TB, here string) string {
	t.Helper()
	first, second := "nori-canary", strconv.Itoa(os.Getpid())
	l, err := net.Listen("unix", "@"+first+second+here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	cmd := &exec.Cmd{Path: "/usr/bin/sleep", Args: []string{first + second, "600"}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	key, err := unix.AddKey("user", first+second, []byte("x"), unix.KEY_SPEC_USER_KEYRING)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, key, unix.KEY_SPEC_USER_KEYRING, 0, 0) })
	return fmt.Sprintf("A=%s B=%s KEY=%d HERE=%s\n%s", first, second, key, here, script)
}
