package libvirt

import (
	"net/url"
	"os/user"

	"noriter.dev/noriter/internal/lang"
)

const (
	systemURI    = "qemu:///system"
	systemSocket = "/var/run/libvirt/libvirt-sock"
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

// text names it in messages.
func (t target) text() lang.Text {
	if t.remote() {
		return lang.Textf("libvirt on %s", "%s의 libvirt 서버", t.host)
	}
	return lang.Textf("libvirt at %s", "%s의 libvirt 서버", t.socket)
}

// parseConnect reads a libvirt address. Parameters that would switch off the
// check of the SSH host key are refused.
func parseConnect(s string) (target, error) {
	if s == "" {
		s = systemURI
	}
	u, err := url.Parse(s)
	if err != nil {
		return target{}, lang.Errorf("libvirt address %q: %w", "libvirt 주소 %q: %w", s, err)
	}
	if u.Path != "/system" && u.Path != "/session" {
		return target{}, lang.Errorf("libvirt address %q: the path must be /system or /session",
			"libvirt 주소 %q: 경로는 /system이나 /session이어야 합니다", s)
	}
	t := target{uri: "qemu://" + u.Path, socket: systemSocket}
	q := u.Query()
	if v := q.Get("socket"); v != "" {
		t.socket = v
	}
	for name := range q {
		if name != "socket" && name != "known_hosts" {
			return target{}, lang.Errorf("libvirt address %q: parameter %q is not known here (socket and known_hosts are)",
				"libvirt 주소 %q: 매개변수 %q은(는) 여기서 쓸 수 없습니다(socket과 known_hosts만 됩니다)", s, name)
		}
	}
	switch u.Scheme {
	case "qemu", "qemu+unix":
		if u.Host != "" {
			return target{}, lang.Errorf("libvirt address %q: for another host write qemu+ssh://%s%s",
				"libvirt 주소 %q: 다른 호스트라면 qemu+ssh://%s%s처럼 쓰세요", s, u.Host, u.Path)
		}
		if u.Path == "/session" && q.Get("socket") == "" {
			return target{}, lang.Errorf("libvirt address %q: a session's libvirtd can't make networks; use qemu:///system",
				"libvirt 주소 %q: 세션의 libvirtd는 네트워크를 만들 수 없습니다. qemu:///system을 쓰세요", s)
		}
	case "qemu+ssh", "qemu+libssh", "qemu+libssh2":
		if u.Hostname() == "" {
			return target{}, lang.Errorf("libvirt address %q: the host is missing", "libvirt 주소 %q: 호스트가 빠졌습니다", s)
		}
		t.host, t.port, t.user, t.keys = u.Hostname(), u.Port(), u.User.Username(), q.Get("known_hosts")
	default:
		return target{}, lang.Errorf("libvirt address %q: scheme %q is not one of qemu, qemu+unix, qemu+ssh",
			"libvirt 주소 %q: 스킴 %q은(는) qemu, qemu+unix, qemu+ssh 가운데 하나가 아닙니다", s, u.Scheme)
	}
	return t, nil
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
