package pki

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"noriter.dev/noriter/provision/machine"
)

// Folders on a machine; they are kubeadm's and the kubelet's.
const (
	// Dir holds the kubeconfig files and encryption.yaml.
	Dir = "/etc/kubernetes"
	// CertDir holds certificates and keys.
	CertDir = "/etc/kubernetes/pki"
	// KubeletCertDir holds the serving pair of the node agent.
	KubeletCertDir = "/var/lib/kubelet/pki"
	// RegistryDir holds the registry's certificates on the control node, that
	// of its authority among them for whoever wants to trust it.
	RegistryDir = "/etc/noriter/registry"
	// RegistryWriter says who may push.
	RegistryWriter = RegistryDir + "/writer"
)

// ServiceAccountKey signs tokens. The API server and the controllers read it.
const ServiceAccountKey = CertDir + "/" + serviceAccountKey + ".key"

// controlPairs are the certificates that go to the control node with their keys.
var controlPairs = []string{
	apiserverServing, apiserverKubelet, apiserverEtcd, frontProxyClient, etcdServer, etcdHealthcheck,
}

// controlFiles are further files that go to the control node's CertDir.
var controlFiles = []string{
	clusterCA + ".crt", frontProxyCA + ".crt", etcdCA + ".crt", serviceAccountKey + ".key", serviceAccountKey + ".pub",
}

// Gone are paths on the control node where earlier versions left what belongs to
// the installing host alone: nothing on a machine signs with an authority's key.
var Gone = []string{CertDir + "/" + clusterCA + ".key"}

// RegistryCA is the certificate of the registry's authority, in PEM.
func (b *Bundle) RegistryCA() []byte { return b.content[registryCA+".crt"] }

// Files lists what goes to one machine: to a worker, what its agent and its
// proxy need and nothing of anyone else's; to the control node, the control
// plane's files too.
func (b *Bundle) Files(name string) ([]machine.File, error) {
	n, err := b.node(name)
	if err != nil {
		return nil, err
	}
	files, err := b.nodeFiles(n)
	if err != nil || name != b.cluster.ControlName {
		return files, err
	}
	control, err := b.controlFiles()
	return append(files, control...), err
}

func (b *Bundle) nodeFiles(n Node) ([]machine.File, error) {
	var files []machine.File
	if n.Name != b.cluster.ControlName {
		files = append(files, b.file(clusterCA+".crt", path.Join(CertDir, "ca.crt")))
	}
	for _, ending := range []string{".crt", ".key"} {
		files = append(files, b.file(kubeletServing(n.Name)+ending, path.Join(KubeletCertDir, "kubelet"+ending)))
	}
	return b.appendConfigs(files, []config{
		{kubeletClient(n.Name), "system:node:" + n.Name, "kubelet.conf"},
		{proxyClient(n.Name), "system:kube-proxy", "kube-proxy.conf"},
	})
}

func (b *Bundle) controlFiles() ([]machine.File, error) {
	names := slices.Clone(controlFiles)
	for _, p := range controlPairs {
		names = append(names, p+".crt", p+".key")
	}
	var files []machine.File
	for _, name := range names {
		files = append(files, b.file(name, path.Join(CertDir, name)))
	}
	files = append(files, b.file(encryptionFile, path.Join(Dir, encryptionFile)))
	if b.cluster.RegistryHost != "" {
		for _, name := range []string{registryCA + ".crt", registryServing + ".crt", registryServing + ".key"} {
			files = append(files, b.file(name, path.Join(RegistryDir, path.Base(name))))
		}
		files = append(files, b.registryWriter())
	}
	return b.appendConfigs(files, []config{
		{adminClient, "kubernetes-admin", "admin.conf"},
		{schedulerClient, "system:kube-scheduler", "scheduler.conf"},
		{controllersClient, "system:kube-controller-manager", "controller-manager.conf"},
	})
}

// config is one kubeconfig to be made for a machine.
type config struct{ pair, user, name string }

func (b *Bundle) appendConfigs(files []machine.File, configs []config) ([]machine.File, error) {
	for _, c := range configs {
		data, err := b.componentKubeconfig(c.pair, c.user)
		if err != nil {
			return nil, err
		}
		files = append(files, machine.File{Path: path.Join(Dir, c.name), Mode: 0o600, Content: data})
	}
	return files, nil
}

// file is one file of the folder for a machine. Only certificates and public
// keys may be read by everyone; one key has two readers, and so a group.
func (b *Bundle) file(name, target string) machine.File {
	mode := fs.FileMode(0o600)
	switch {
	case strings.HasSuffix(name, ".crt"), strings.HasSuffix(name, ".pub"):
		mode = 0o644
	case target == ServiceAccountKey:
		mode = 0o640
	}
	return machine.File{Path: target, Mode: mode, Content: b.content[name]}
}
