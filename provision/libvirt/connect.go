package libvirt

import (
	"context"
	"errors"
	"fmt"
	"net"
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

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
	"noriter.dev/noriter/provision/machine"
)

const dialTimeout = 20 * time.Second

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
			return nil, lang.Errorf("finding known_hosts: %w", "known_hosts 찾기: %w", err)
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
	err = c.do(ctx, callTimeout, func(lv *golibvirt.Libvirt) error { return lv.ConnectToURI(golibvirt.ConnectURI(t.uri)) })
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
		return &machine.HostError{Err: err,
			What: lang.Textf("the host key of %s is not the one in known_hosts",
				"%s의 호스트 키가 known_hosts에 있는 것과 다릅니다", t.host).String(),
			Remedy: "ssh " + t.login() + " true   # " + lang.T("and compare the key it shows", "그리고 보여 주는 키를 비교하세요")}
	case t.remote():
		return &machine.HostError{Err: err,
			What: lang.Textf("no connection to %s", "%s에 연결하지 못했습니다", t.text()).String(),
			Remedy: "ssh " + t.login() + " virsh -c " + systemURI + " list   # " + lang.T("must work without a password",
				"비밀번호 없이 되어야 합니다")}
	case errors.Is(err, os.ErrPermission), errors.As(err, &lvErr) && strings.Contains(lvErr.Message, "authentication"):
		return &machine.HostError{Err: err,
			What:   lang.Textf("%s may not be used by this user", "이 사용자는 %s을(를) 쓸 수 없습니다", t.text()).String(),
			Remedy: "adduser " + userName() + " libvirt   # " + lang.T("then log in again", "그런 다음 다시 로그인하세요")}
	case errors.Is(err, syscall.ENOENT):
		return &machine.HostError{Err: err, Remedy: distro.Remedy(hostPrograms...),
			What: lang.Textf("%s is not there", "%s이(가) 없습니다", t.text()).String()}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &machine.HostError{Err: err, Remedy: "systemctl restart libvirtd",
			What: lang.Textf("%s does not answer", "%s이(가) 응답하지 않습니다", t.text()).String()}
	}
	return lang.Errorf("connecting to %s: %w", "%s에 연결: %w", t.text(), err)
}
