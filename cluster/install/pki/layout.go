package pki

import (
	"net"
	"path"
)

// Files below the folder, without their endings. The names are kubeadm's; a
// node's own are in a folder of its name.
const (
	apiserverServing  = "apiserver"
	apiserverKubelet  = "apiserver-kubelet-client"
	apiserverEtcd     = "apiserver-etcd-client"
	frontProxyClient  = "front-proxy-client"
	etcdServer        = "etcd/server"
	etcdHealthcheck   = "etcd/healthcheck-client"
	adminClient       = "admin"
	superAdminClient  = "super-admin"
	schedulerClient   = "scheduler"
	controllersClient = "controller-manager"
	adminConf         = "admin.conf"
	SuperAdminConf    = "super-admin.conf"
	registryServing   = "registry/server"
)

// The files of one node.
func kubeletClient(node string) string  { return path.Join("nodes", node, "kubelet-client") }
func kubeletServing(node string) string { return path.Join("nodes", node, "kubelet") }
func proxyClient(node string) string    { return path.Join("nodes", node, "kube-proxy") }

const (
	// AdminGroup is that of admin.conf. A ClusterRoleBinding of the same name
	// gives it cluster-admin, as since Kubernetes 1.29: what RBAC gives, it can
	// take away.
	AdminGroup = "kubeadm:cluster-admins"
	// KubeletClient is the user that the API server is to the agents. A binding
	// lets it use nodes' APIs, and do nothing else.
	KubeletClient = "kube-apiserver-kubelet-client"

	// masters may do everything, whatever RBAC says, until the certificate's
	// end. The one certificate of this group stays on the installing host.
	masters = "system:masters"
)

// leaves lists every certificate below an authority. Subjects are those that
// Kubernetes' bootstrap RBAC policy and its node authorizer know.
func leaves(c Cluster) []leaf {
	all := []leaf{
		apiserverLeaf(c),
		{file: apiserverKubelet, ca: clusterCA, name: KubeletClient, client: true},
		{file: apiserverEtcd, ca: etcdCA, name: "kube-apiserver-etcd-client", client: true},
		{file: frontProxyClient, ca: frontProxyCA, name: "front-proxy-client", client: true},
		etcdLeaf(c),
		{file: etcdHealthcheck, ca: etcdCA, name: "kube-etcd-healthcheck-client", client: true},
		{file: adminClient, ca: clusterCA, name: "kubernetes-admin", org: AdminGroup, client: true},
		{file: superAdminClient, ca: clusterCA, name: "kubernetes-super-admin", org: masters, client: true},
		{file: schedulerClient, ca: clusterCA, name: "system:kube-scheduler", client: true},
		{file: controllersClient, ca: clusterCA, name: "system:kube-controller-manager", client: true},
	}
	if c.RegistryHost != "" {
		all = append(all, leaf{
			file: registryServing, ca: registryCA, name: c.RegistryHost, server: true,
			dns: []string{c.RegistryHost, c.ControlName, "localhost"},
			ips: []net.IP{c.ControlAddress.AsSlice(), net.IPv4(127, 0, 0, 1).To4()},
		})
	}
	for _, n := range c.machines() {
		all = append(all, nodeLeaves(n)...)
	}
	return all
}

// apiserverLeaf bears every name by which the API server is called: from
// pods by the Service's names and address, from machines by the host's.
func apiserverLeaf(c Cluster) leaf {
	return leaf{
		file: apiserverServing, ca: clusterCA, name: "kube-apiserver", server: true,
		dns: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + c.Domain,
			c.ControlName, "localhost",
		},
		ips: []net.IP{c.ServiceIP.AsSlice(), net.IPv4(127, 0, 0, 1).To4(), c.ControlAddress.AsSlice()},
	}
}

// etcdLeaf is good as a client's too, since etcd's gateway dials itself.
func etcdLeaf(c Cluster) leaf {
	return leaf{
		file: etcdServer, ca: etcdCA, name: c.ControlName, server: true, client: true,
		dns: []string{"localhost", c.ControlName},
		ips: []net.IP{net.IPv4(127, 0, 0, 1).To4()},
	}
}

// nodeLeaves are the agent's identity, the agent's own server (logs, exec)
// and the proxy's identity.
func nodeLeaves(n Node) []leaf {
	return []leaf{
		{file: kubeletClient(n.Name), ca: clusterCA, name: "system:node:" + n.Name, org: "system:nodes", client: true},
		{
			file: kubeletServing(n.Name), ca: clusterCA, name: "system:node:" + n.Name, org: "system:nodes", server: true,
			dns: []string{n.Name}, ips: []net.IP{n.Address.AsSlice()},
		},
		{file: proxyClient(n.Name), ca: clusterCA, name: "system:kube-proxy", client: true},
	}
}
