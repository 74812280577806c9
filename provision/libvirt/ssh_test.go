package libvirt

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"noriter.dev/noriter/provision/machine"
)

// sshTo runs an SSH server on loopback that leads to the fake's socket, and
// gives its address and its host key.
func sshTo(t *testing.T, h *fakeHost, user ssh.PublicKey) (string, ssh.PublicKey) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(key)
	must(t, err)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) != string(user.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go serveSSH(nc, config, h.socket)
		}
	}()
	return l.Addr().String(), signer.PublicKey()
}

func serveSSH(nc net.Conn, config *ssh.ServerConfig, socket string) {
	_, chans, reqs, err := ssh.NewServerConn(nc, config)
	if err != nil {
		nc.Close()
		return
	}
	go ssh.DiscardRequests(reqs)
	for nch := range chans {
		if nch.ChannelType() != "direct-streamlocal@openssh.com" {
			_ = nch.Reject(ssh.UnknownChannelType, "only sockets")
			continue
		}
		ch, creqs, err := nch.Accept()
		if err != nil {
			return
		}
		go ssh.DiscardRequests(creqs)
		local, err := net.Dial("unix", socket)
		if err != nil {
			ch.Close()
			continue
		}
		go func() { _, _ = io.Copy(ch, local); ch.Close() }()
		go func() { _, _ = io.Copy(local, ch); local.Close() }()
	}
}

// A remote libvirt is used like a local one, but only after its host key was
// found in known_hosts; all files are sent.
func TestRemoteOverSSH(t *testing.T) {
	g := newPlayground(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "")
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(key, "")
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(home, ".ssh"), 0o700))
	must(t, os.WriteFile(filepath.Join(home, ".ssh", "id_ed25519"), pem.EncodeToMemory(block), 0o600))
	user, err := ssh.NewPublicKey(key.Public())
	must(t, err)
	addr, hostKey := sshTo(t, g.fakeHost, user)
	known := filepath.Join(home, "known_hosts")
	connect := func(lines string) error {
		must(t, os.WriteFile(known, []byte(lines), 0o600))
		p, err := New(g.tb, g.img, Options{Connect: fmt.Sprintf("qemu+ssh://root@%s/system?known_hosts=%s", addr, known), virt: "qemu"})
		must(t, err)
		defer p.Close()
		return up(t.Context(), p)
	}
	for name, lines := range map[string]string{
		"unknown": "",
		"another": knownhosts.Line([]string{knownhosts.Normalize(addr)}, user) + "\n",
	} {
		var he *machine.HostError
		if err := connect(lines); !errors.As(err, &he) || !strings.Contains(he.What, "host key") {
			t.Errorf("host key %s: %v", name, err)
		}
	}
	if g.calls != 0 {
		t.Fatalf("%d calls went to a host that was not checked", g.calls)
	}
	must(t, connect(knownhosts.Line([]string{knownhosts.Normalize(addr)}, hostKey)+"\n"))
	g.wantUp(t)
	if len(g.pools[cachePool].volumes) != 6 {
		t.Errorf("sent: %s", g.all())
	}
}
