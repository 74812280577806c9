package libvirt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket"
	"github.com/digitalocean/go-libvirt/socket/dialers"
	"golang.org/x/crypto/ssh/knownhosts"

	"noriter.dev/noriter/provision/machine"
)

const (
	systemURI     = "qemu:///system"
	systemSocket  = "/var/run/libvirt/libvirt-sock"
	dialTimeout   = 20 * time.Second
	callTimeout   = 60 * time.Second
	packageRemedy = "apt-get install libvirt-daemon-system qemu-system-x86 qemu-utils dnsmasq-base"
)

// target is where a libvirtd is: a socket of this host, or one behind SSH.
type target struct {
	uri    string // what libvirtd is asked to open
	socket string
	host   string // empty for this host
	port   string
	user   string
	keys   string // known_hosts; the usual one if empty
}

func (t target) remote() bool { return t.host != "" }

func (t target) String() string {
	if t.remote() {
		return "libvirt on " + t.host
	}
	return "libvirt at " + t.socket
}

// parseConnect reads a libvirt address. Parameters that would switch off the
// check of the SSH host key are refused.
func parseConnect(s string) (target, error) {
	if s == "" {
		s = systemURI
	}
	u, err := url.Parse(s)
	if err != nil {
		return target{}, fmt.Errorf("libvirt address %q: %w", s, err)
	}
	if u.Path != "/system" && u.Path != "/session" {
		return target{}, fmt.Errorf("libvirt address %q: the path must be /system or /session", s)
	}
	t := target{uri: "qemu://" + u.Path, socket: systemSocket}
	q := u.Query()
	if v := q.Get("socket"); v != "" {
		t.socket = v
	}
	for name := range q {
		if name != "socket" && name != "known_hosts" {
			return target{}, fmt.Errorf("libvirt address %q: parameter %q is not known here (socket and known_hosts are)", s, name)
		}
	}
	switch u.Scheme {
	case "qemu", "qemu+unix":
		if u.Host != "" {
			return target{}, fmt.Errorf("libvirt address %q: for another host write qemu+ssh://%s%s", s, u.Host, u.Path)
		}
		if u.Path == "/session" && q.Get("socket") == "" {
			return target{}, fmt.Errorf("libvirt address %q: a session's libvirtd can't make networks; use qemu:///system", s)
		}
	case "qemu+ssh", "qemu+libssh", "qemu+libssh2":
		if u.Hostname() == "" {
			return target{}, fmt.Errorf("libvirt address %q: the host is missing", s)
		}
		t.host, t.port, t.user, t.keys = u.Hostname(), u.Port(), u.User.Username(), q.Get("known_hosts")
	default:
		return target{}, fmt.Errorf("libvirt address %q: scheme %q is not one of qemu, qemu+unix, qemu+ssh", s, u.Scheme)
	}
	return t, nil
}

// dialer keeps the connection it made, so that a call that hangs can be
// ended by closing it.
type dialer struct {
	dial func() (net.Conn, error)
	conn net.Conn
}

var _ socket.Dialer = (*dialer)(nil)

// Dial makes the connection; go-libvirt calls it.
func (d *dialer) Dial() (net.Conn, error) {
	c, err := d.dial()
	d.conn = c
	return c, err
}

func (t target) dialer() (*dialer, error) {
	if !t.remote() {
		return &dialer{dial: func() (net.Conn, error) { return dialUnix(t.socket) }}, nil
	}
	opts := []dialers.SSHOption{
		dialers.UseSSHPort(t.port), dialers.UseSSHUsername(t.user), dialers.WithRemoteSocket(t.socket),
	}
	keys := t.keys
	if keys == "" {
		u, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("finding known_hosts: %w", err)
		}
		keys = filepath.Join(u.HomeDir, ".ssh", "known_hosts")
	}
	opts = append(opts, dialers.UseKnownHostsFile(keys))
	return &dialer{dial: dialers.NewSSH(t.host, opts...).Dial}, nil
}

// dialUnix dials a socket whose path may be longer than the 107 bytes an
// address holds: through an open folder its name is short.
func dialUnix(path string) (net.Conn, error) {
	if len(path) < 100 {
		return net.DialTimeout("unix", path, dialTimeout)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return net.DialTimeout("unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), dialTimeout)
}

// dial connects and opens the driver. A libvirt that is not there or not
// permitted is a *machine.HostError.
func dial(ctx context.Context, t target) (*conn, error) {
	d, err := t.dialer()
	if err != nil {
		return nil, err
	}
	c := &conn{lv: golibvirt.NewWithDialer(d), target: t, dialer: d}
	err = c.call(ctx, "the connection to "+t.String(), func(lv *golibvirt.Libvirt) error {
		return lv.ConnectToURI(golibvirt.ConnectURI(t.uri))
	})
	if err != nil {
		return nil, dialError(t, err)
	}
	return c, nil
}

// dialError says what to do about a connection that failed.
func dialError(t target, err error) error {
	var keyErr *knownhosts.KeyError
	var lvErr golibvirt.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &keyErr):
		return &machine.HostError{What: "the host key of " + t.host + " is not the one in known_hosts", Err: err,
			Remedy: "ssh " + t.login() + " true   # and compare the key it shows"}
	case t.remote():
		return &machine.HostError{What: "no connection to " + t.String(), Err: err,
			Remedy: "ssh " + t.login() + " virsh -c " + systemURI + " list   # must work without a password"}
	case errors.Is(err, os.ErrPermission), errors.As(err, &lvErr) && strings.Contains(lvErr.Message, "authentication"):
		return &machine.HostError{What: t.String() + " may not be used by this user", Err: err,
			Remedy: "adduser " + userName() + " libvirt   # then log in again"}
	case errors.Is(err, syscall.ENOENT):
		return &machine.HostError{What: t.String() + " is not there", Err: err, Remedy: packageRemedy}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &machine.HostError{What: t.String() + " does not answer", Err: err, Remedy: "systemctl restart libvirtd"}
	}
	return fmt.Errorf("connecting to %s: %w", t, err)
}

func (t target) login() string {
	if t.user != "" {
		return t.user + "@" + t.host
	}
	return t.host
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "$USER"
}
