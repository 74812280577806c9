package libvirt

import (
	"encoding/base64"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"noriter.dev/noriter/provision/machine"
)

var update = flag.Bool("update", false, "write the golden files afresh")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	got += "\n"
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got), -update writes it afresh:\n%s", file, d)
	}
}

var goldenTestbed = machine.Testbed{
	Name: "noriter", Dir: "/var/lib/noriter/testbeds/noriter", Subnet: netip.MustParsePrefix("10.77.0.0/24"),
	AuthorizedKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample noriter",
	HostKeys:      map[string][]byte{"control": []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"), "node1": []byte("the secret of node1")},
}

var goldenMachine = machine.Spec{Name: "control", Address: netip.MustParseAddr("10.77.0.10"), MemoryMiB: 1536, CPUs: 2}

func TestDomainXML(t *testing.T) {
	files := bootFiles{disk: backing{"/cache/disk.qcow2", "qcow2", 20 << 30}, kernel: "/cache/vmlinuz", initrd: "/cache/initrd"}
	d := domainSpec{
		tb: goldenTestbed, machine: goldenMachine,
		virt: "kvm", files: files, disk: "/pool/control.qcow2", console: "/pool/control.console.log", hostKey: "/pool/control.hostkey",
	}
	text, err := domainXML(d)
	must(t, err)
	golden(t, "domain-kvm.xml", text)

	d.parcel = "/var/lib/noriter/testbeds/noriter/parcel/0123456789abcdef.ext4"
	d.machine, d.virt, d.files.relabel = machine.Spec{Name: "node1", Address: netip.MustParseAddr("10.77.0.11"), CPUs: 2}, "qemu", true
	text, err = domainXML(d)
	must(t, err)
	golden(t, "domain-emulated.xml", text)

	for name, key := range d.tb.HostKeys {
		for _, form := range []string{string(key), base64.StdEncoding.EncodeToString(key)} {
			if strings.Contains(text, form) {
				t.Errorf("the domain, which all users of the host may read, has the host key of %s", name)
			}
		}
	}
	d.tb.AuthorizedKey = ""
	if _, err := domainXML(d); err == nil || !strings.Contains(err.Error(), "has no SSH key") {
		t.Errorf("a testbed without a key: %v", err)
	}
}

func TestNetworkXML(t *testing.T) {
	text, err := networkXML(goldenTestbed)
	must(t, err)
	golden(t, "network.xml", text)
}

func TestPoolXML(t *testing.T) {
	text, err := poolXML("nori-noriter", "/var/lib/libvirt/images/nori-noriter")
	must(t, err)
	golden(t, "pool.xml", text)
}

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, tb := range []string{"noriter", "a", "a-very-long-name-one", "a-very-long-name-two", "x1"} {
		b := BridgeName(tb)
		if len(b) > maxInterfaceName || !strings.HasPrefix(b, "nori-") {
			t.Errorf("bridge of %s is %q", tb, b)
		}
		if o, dup := seen[b]; dup {
			t.Errorf("%s and %s share bridge %s", tb, o, b)
		}
		seen[b] = tb
	}
	again := macAddress("a", "node1")
	if macAddress("a", "node1") == macAddress("a", "node2") || macAddress("a", "node1") == macAddress("b", "node1") || macAddress("a", "node1") != again {
		t.Error("MACs are not one for each machine")
	}
	if m := macAddress("a", "control"); !regexp.MustCompile(`^52:54:00(:[0-9a-f]{2}){3}$`).MatchString(m) {
		t.Errorf("MAC %q", m)
	}
	if u := uuid("domain", "a", "control"); !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(u) {
		t.Errorf("UUID %q", u)
	}
}

func TestParseConnect(t *testing.T) {
	for in, want := range map[string]target{
		"":                                   {uri: "qemu:///system", socket: systemSocket},
		"qemu:///system":                     {uri: "qemu:///system", socket: systemSocket},
		"qemu+unix:///session?socket=/run/x": {uri: "qemu:///session", socket: "/run/x"},
		"qemu+ssh://root@big:2222/system":    {uri: "qemu:///system", socket: systemSocket, host: "big", port: "2222", user: "root"},
		"qemu+ssh://big/system?known_hosts=/etc/nori/kh": {uri: "qemu:///system", socket: systemSocket, host: "big", keys: "/etc/nori/kh"},
	} {
		got, err := parseConnect(in)
		if err != nil || got != want {
			t.Errorf("parseConnect(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"xen:///system", "qemu:///", "qemu://host/system", "qemu+tls://host/system", "qemu+ssh:///system", "qemu:///session", "%", "qemu",
		"qemu+ssh://big/system?no_verify=1", "qemu+libssh://big/system?known_hosts_verify=ignore",
	} {
		if _, err := parseConnect(in); err == nil {
			t.Errorf("parseConnect(%q) is taken", in)
		}
	}
}

func FuzzParseConnect(f *testing.F) {
	f.Add("qemu+ssh://root@big:2222/system?socket=/run/x")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := parseConnect(s); err == nil && (got.socket == "" || !strings.HasPrefix(got.uri, "qemu:///")) {
			t.Errorf("parseConnect(%q) = %+v", s, got)
		}
	})
}

func FuzzMarked(f *testing.F) {
	text, _ := mark{Name: "demo", Machine: "node1", Dir: "/x", Address: "10.0.0.1"}.xml()
	f.Add(text)
	f.Add("<a/>" + text)
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if m, ok := marked(s); ok && m.Name == "" {
			t.Errorf("%q is marked with no name", s)
		}
	})
}

func TestMark(t *testing.T) {
	text, err := mark{Name: "demo", Machine: "node1", Dir: "/x & y", Address: "10.0.0.1"}.xml()
	must(t, err)
	m, ok := marked(`<other xmlns="urn:x"><name>no</name></other>` + text)
	if !ok || m.Name != "demo" || m.Machine != "node1" || m.Dir != "/x & y" || m.Address != "10.0.0.1" {
		t.Errorf("marked = %+v, %v", m, ok)
	}
	if _, ok := marked(`<testbed><name>demo</name></testbed>`); ok {
		t.Error("an element of no namespace is taken for ours")
	}
}

func TestNewRefuses(t *testing.T) {
	good := machine.Testbed{Name: "a", Dir: "/srv/a"}
	for what, c := range map[string]struct {
		tb machine.Testbed
		o  Options
	}{
		"no name":             {machine.Testbed{Dir: "/srv/a"}, Options{}},
		"long name":           {machine.Testbed{Name: strings.Repeat("a", 21), Dir: "/srv/a"}, Options{}},
		"name with a slash":   {machine.Testbed{Name: "a/b", Dir: "/srv/a"}, Options{}},
		"relative folder":     {machine.Testbed{Name: "a", Dir: "srv/a"}, Options{}},
		"unknown virt":        {good, Options{virt: "xen"}},
		"isolated and remote": {good, Options{Isolated: true, Connect: "qemu:///system"}},
		"hidden folder":       {machine.Testbed{Name: "a", Dir: "/run/a"}, Options{Isolated: true}},
		"bad address":         {good, Options{Connect: "http://x"}},
	} {
		if _, err := New(c.tb, Image{}, c.o); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	raw, qcow := filepath.Join(dir, "raw"), filepath.Join(dir, "qcow2")
	must(t, os.WriteFile(raw, make([]byte, 4096), 0o600))
	header := append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 96)...)
	header[27], header[28] = 1, 0x40 // 5 GiB: the size is at 24, big-endian
	must(t, os.WriteFile(qcow, header, 0o600))
	if f, n, err := inspect(raw); f != "raw" || n != 4096 || err != nil {
		t.Errorf("raw: %s, %d, %v", f, n, err)
	}
	if f, n, err := inspect(qcow); f != "qcow2" || n != 5<<30 || err != nil {
		t.Errorf("qcow2: %s, %d, %v", f, n, err)
	}
	must(t, os.WriteFile(raw, []byte("short"), 0o600))
	if _, _, err := inspect(raw); err == nil {
		t.Error("five bytes are taken for an image")
	}
}
