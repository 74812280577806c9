package install

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/cluster/registry"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/machine"
)

// facts is what the steps must know of a machine before they configure it.
type facts struct {
	// container says that the machine shares its host's kernel.
	container bool
	// sysResource says that root may lower oom_score_adj: it has CAP_SYS_RESOURCE in
	// the user namespace in which the host started.
	sysResource bool
}

// lookAround prints one word per fact.
const lookAround = `
systemd-detect-virt --container --quiet && echo container
[ $(( 0x$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) >> 24 & 1 )) = 1 ] &&
	grep -qE '^ *0 +0 +4294967295$' /proc/self/uid_map && echo sysresource
true`

func readFacts(ctx context.Context, m machine.Machine) (facts, error) {
	out, err := m.Run(ctx, machine.Command{Line: lookAround, Doing: lang.Text{EN: "looking what the machine is", KO: "머신 살펴보기"}})
	if err != nil {
		return facts{}, err
	}
	var f facts
	for _, w := range strings.Fields(string(out.Stdout)) {
		switch w {
		case "container":
			f.container = true
		case "sysresource":
			f.sysResource = true
		}
	}
	return f, nil
}

func (c *Cluster) pkiDir() string { return filepath.Join(c.Dir, "pki") }

func (c *Cluster) pkiSpec() pki.Cluster {
	p := pki.Cluster{
		Name: c.Name, ControlName: c.Control().Name, ControlAddress: c.Control().Address,
		ServiceIP: addr(KubernetesIP), Domain: Domain, RegistryHost: images.RegistryHost,
	}
	for _, n := range c.Nodes {
		p.Nodes = append(p.Nodes, pki.Node{Name: n.Name, Address: n.Address})
	}
	return p
}

// Kubeconfig is the administrator's kubeconfig on this host.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.pkiDir(), "admin.conf") }

// prepareNode lays down everything but the programs: containerd's
// configuration, certificates, units. systemd reads them once.
func (c *Cluster) prepareNode(ctx context.Context, n Node, m machine.Machine) error {
	f, err := readFacts(ctx, m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.facts == nil {
		c.facts = map[string]facts{}
	}
	c.facts[n.Name] = f
	bundle := c.bundle
	c.mu.Unlock()

	files, err := bundle.Files(n.Name)
	if err != nil {
		return lang.Errorf("collecting the certificates of %s: %w", "%s의 인증서 모으기: %w", n.Name, err)
	}
	for _, u := range unitsOf(n) {
		files = append(files, machine.File{Path: "/etc/systemd/system/" + u + ".service", Content: c.unitFile(u, n, f)})
	}
	files = append(files,
		machine.File{Path: "/etc/containerd/config.toml", Content: containerdConfig(c.PauseImage, f)},
		machine.File{Path: "/etc/hosts", Content: c.hosts(n)},
		machine.File{Path: "/etc/crictl.yaml", Content: []byte("runtime-endpoint: unix:///run/containerd/containerd.sock\n")},
	)
	files = append(files, userFile(n), journalctlFile(n))
	if n.Control {
		files = append(files, machine.File{Path: registryAccounts, Mode: 0o600, Content: []byte(registry.Htpasswd)})
	}
	if err := m.Upload(ctx, files...); err != nil {
		return lang.Errorf("sending the configuration to %s: %w", "%s에 설정 보내기: %w", n.Name, err)
	}
	// enable makes systemd read its units anew, too.
	script := "set -e\n" + filesOnly + removeGone + handOver(n) + "systemctl enable --quiet containerd " + strings.Join(unitsOf(n), " ") + "\n" +
		restartIfChanged("containerd", stamp(containerdConfig(c.PauseImage, f)))
	_, err = m.Run(ctx, machine.Command{Line: script, Doing: lang.Text{EN: "setting up containerd and the units", KO: "containerd와 유닛 설정"}})
	return err
}

// removeGone takes away what earlier versions left on a control node.
var removeGone = "rm -f -- " + shell.Join(pki.Gone...) + "\n"

// filesOnly keeps a machine that has no name server from asking one: an unknown
// name is then "no such host", as on any network, and not a port 53 of its own
// that refuses.
const filesOnly = "grep -q '^nameserver' /etc/resolv.conf || sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf\n"

// hosts names all machines to each other, so that names work before and
// without the cluster's DNS.
func (c *Cluster) hosts(self Node) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
	for _, n := range c.Nodes {
		fmt.Fprintf(&b, "%s %s\n", n.Address, n.Name)
	}
	return b.Bytes()
}
