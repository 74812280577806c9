// Package pki makes and renews everything secret that a cluster stands on:
// four certificate authorities, a client certificate per component and node,
// serving certificates with the right names, the pair that signs
// service-account tokens, the key that encrypts Secrets at rest, and the
// kubeconfig files made of them.
//
// All of it is kept in one folder on the installing host, under kubeadm's
// file names, so that a reader of Kubernetes' own documentation finds every
// file where the documentation says it is. The authorities' private keys never
// leave that folder, and neither does super-admin.conf.
package pki

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// Lifetimes of what is issued. They are kubeadm's.
const (
	// CALifetime is how long a certificate authority is valid.
	CALifetime = 10 * 365 * 24 * time.Hour
	// Lifetime is how long every other certificate is valid.
	Lifetime = 365 * 24 * time.Hour
	// RenewBefore is how long before its end a certificate is renewed.
	RenewBefore = 30 * 24 * time.Hour
	// backdate lets a machine whose clock is behind (one that was just put
	// back to a snapshot) accept what was issued a moment ago.
	backdate = time.Hour
)

// Node is one machine that runs the node agent.
type Node struct {
	// Name is the host name and the Kubernetes node's name, a DNS label.
	Name string
	// Address is what the API server dials to reach the agent.
	Address netip.Addr
}

// Cluster is what the certificates speak of.
type Cluster struct {
	// Name is the testbed's name; it becomes the kubeconfig's context.
	Name string
	// ControlName and ControlAddress are the control node's.
	ControlName    string
	ControlAddress netip.Addr
	// Nodes are the workers. The control node runs an agent too and may be
	// left out here.
	Nodes []Node
	// ServiceIP is the address of the Service "kubernetes": the first one of
	// the Service network.
	ServiceIP netip.Addr
	// Domain is the cluster's DNS domain, such as cluster.local.
	Domain string
	// RegistryHost is the name of the registry on the control node.
	RegistryHost string
}

// dnsLabel is RFC 1123's label; names become parts of paths and of subjects.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Validate says what of the cluster can't be put into a certificate.
func (c Cluster) Validate() error {
	if c.Name == "" {
		return lang.Errorf("pki: the cluster has no name", "pki: 클러스터에 이름이 없습니다")
	}
	if c.Domain == "" {
		return lang.Errorf("pki: cluster %s has no DNS domain (cluster.local is usual)", "pki: 클러스터 %s에 DNS 도메인이 없습니다 (보통 cluster.local)", c.Name)
	}
	if !c.ServiceIP.IsValid() {
		return lang.Errorf("pki: cluster %s has no address for the Service kubernetes (10.96.0.1 is usual)",
			"pki: 클러스터 %s에 서비스 kubernetes의 주소가 없습니다 (보통 10.96.0.1)", c.Name)
	}
	seen := map[string]bool{}
	for _, n := range c.machines() {
		switch {
		case !dnsLabel.MatchString(n.Name):
			return lang.Errorf("pki: node name %q is no DNS label: use lower-case letters, digits and '-'",
				"pki: 노드 이름 %q은(는) DNS 레이블이 아닙니다. 영문 소문자, 숫자, '-'만 쓰세요", n.Name)
		case !n.Address.IsValid():
			return lang.Errorf("pki: node %s has no address", "pki: 노드 %s에 주소가 없습니다", n.Name)
		case seen[n.Name]:
			return lang.Errorf("pki: node name %s is used twice", "pki: 노드 이름 %s을(를) 두 번 썼습니다", n.Name)
		}
		seen[n.Name] = true
	}
	return nil
}

// machines is every machine that runs an agent, the control node first.
func (c Cluster) machines() []Node {
	all := []Node{{Name: c.ControlName, Address: c.ControlAddress}}
	for _, n := range c.Nodes {
		if n != all[0] {
			all = append(all, n)
		}
	}
	return all
}

// server is the API server's URL as written into kubeconfigs.
func (c Cluster) server() string {
	return "https://" + netip.AddrPortFrom(c.ControlAddress, 6443).String()
}

// Bundle is the complete set of files of a cluster.
type Bundle struct {
	cluster Cluster
	dir     string
	// content is every file of the folder, by its path below it.
	content map[string][]byte

	// Changed lists what this call made or renewed, with the reason, in the
	// order it happened: "apiserver: made", "apiserver: renewed, it expires
	// on 2027-01-02". It is empty when all was in order.
	Changed []string
}

// Ensure brings the folder to what the cluster needs and returns its content.
// What is there and in order is kept; a certificate that expires within
// RenewBefore, whose names no longer fit, whose key is missing or whose
// authority changed is issued anew. Each file is written whole or not at all,
// so a call after an interrupted one completes it.
//
// A file that can't be understood is an error which names it: nothing is
// overwritten that may be somebody's. Nor is made again what a cluster that is there
// can't do without: the key of its tokens, and that of its Secrets.
func Ensure(dir string, c Cluster) (*Bundle, error) {
	return ensure(dir, c, time.Now)
}

// ensure is Ensure with a clock.
func ensure(dir string, c Cluster, now func() time.Time) (*Bundle, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := &Bundle{cluster: c, dir: dir, content: map[string][]byte{}}
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	// What can't be made anew comes first: where there is an authority, it was there.
	if err := b.ensureServiceAccountKey(); err != nil {
		return nil, err
	}
	if err := b.ensureEncryption(); err != nil {
		return nil, err
	}
	cas, err := b.ensureAuthorities(now())
	if err != nil {
		return nil, err
	}
	for _, want := range leaves(c) {
		if err := b.ensureLeaf(want, cas[want.ca], now()); err != nil {
			return nil, err
		}
	}
	if err := b.ensureRegistryPassword(); err != nil {
		return nil, err
	}
	return b, b.writeAdminKubeconfigs()
}

// AdminKubeconfig is the path, on this host, of the kubeconfig for people.
func (b *Bundle) AdminKubeconfig() string { return filepath.Join(b.dir, adminConf) }

// changed notes what was made or renewed.
func (b *Bundle) changed(format string, args ...any) {
	b.Changed = append(b.Changed, fmt.Sprintf(format, args...))
}

// node finds a machine by name.
func (b *Bundle) node(name string) (Node, error) {
	all := b.cluster.machines()
	i := slices.IndexFunc(all, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return Node{}, lang.Errorf("pki: cluster %s has no machine named %q", "pki: 클러스터 %s에 %q(이)라는 머신이 없습니다", b.cluster.Name, name)
	}
	return all[i], nil
}
