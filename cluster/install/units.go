package install

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"

	"noriter.dev/noriter/cluster/install/pki"
)

// The units. Each has its upstream name as an alias, so that
// `systemctl stop kube-scheduler` does here what it does elsewhere; for the journal see
// journalctl.go.
const (
	unitEtcd        = "nori-etcd"
	unitAPIServer   = "nori-apiserver"
	unitScheduler   = "nori-scheduler"
	unitControllers = "nori-controllers"
	unitAgent       = "nori-agent"
	unitProxy       = "nori-proxy"
	unitRegistry    = "nori-registry"
)

// Units are all units of a node, in the order in which they come up.
func Units(control bool) []string {
	if control {
		return []string{unitEtcd, unitAPIServer, unitScheduler, unitControllers, unitAgent, unitProxy, unitRegistry}
	}
	return []string{unitAgent, unitProxy}
}

func unitsOf(n Node) []string { return Units(n.Control) }

// unit is what the units differ in.
type unit struct {
	Description string
	Alias       string
	After       string
	Exec        []string
	// MemoryMax keeps a component that runs away from taking the machine along.
	MemoryMax string
	// GoMemory is the soft limit at which Go collects harder.
	GoMemory string
	// Delegate leaves the cgroups below to the unit; pods must outlive it.
	KillMode string
	// StartSeconds is how long it may take to be ready.
	StartSeconds int
	// Sandbox is what keeps the unit to its job; see sandbox.go.
	Sandbox []string
}

// The pieces of KillMode: a restart of the agent must not touch containers.
const (
	killAll     = "control-group"
	killProcess = "process"
)

var unitTemplate = template.Must(template.New("unit").Parse(`[Unit]
Description={{.Description}}
After=network.target {{.After}}
# A learner may stop and start it as often as they like.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={{.ExecLine}}
Restart=always
RestartSec=1
TimeoutStartSec={{.StartSeconds}}
TimeoutStopSec=15
KillMode={{.KillMode}}
MemoryMax={{.MemoryMax}}
Environment=GOMEMLIMIT={{.GoMemory}} GOGC=75
# If it is taken over, it has its own files and no more.
{{range .Sandbox}}{{.}}
{{end}}
[Install]
WantedBy=multi-user.target
Alias={{.Alias}}.service
`))

// ExecLine is the command, an argument a line.
func (u unit) ExecLine() string { return strings.Join(u.Exec, " \\\n  ") }

// unitFile is the content of a unit's file on a node.
func (c *Cluster) unitFile(name string, n Node, f facts) []byte {
	u := c.unit(name, n, f)
	if u.KillMode == "" {
		u.KillMode = killAll
	}
	u.StartSeconds = int(c.patient(unitStartLimit).Seconds())
	u.Exec = append(u.Exec, c.patientFlags(name)...)
	u.Sandbox = sandbox(name)
	var b bytes.Buffer
	// The template and its data are both ours: it can't fail.
	_ = unitTemplate.Execute(&b, u)
	return b.Bytes()
}

func (c *Cluster) unit(name string, n Node, f facts) unit {
	const control, node = "/usr/local/bin/nori-control", "/usr/local/bin/nori-node"
	switch name {
	case unitEtcd:
		return unit{
			Description: "Noriter etcd: the cluster's store", Alias: "etcd",
			MemoryMax: "512M", GoMemory: "128MiB",
			Exec: []string{control, "etcd", "--name=" + n.Name},
		}
	case unitAPIServer:
		return unit{
			Description: "Noriter API server: the only one that talks to the store", Alias: "kube-apiserver",
			After: unitEtcd + ".service", MemoryMax: "1G", GoMemory: "512MiB",
			Exec: []string{
				control, "apiserver",
				"--advertise-address=" + n.Address.String(),
				"--service-cluster-ip-range=" + ServiceCIDR,
			},
		}
	case unitScheduler:
		return unit{
			Description: "Noriter scheduler: chooses a node for every pod", Alias: "kube-scheduler",
			After: unitAPIServer + ".service", MemoryMax: "256M", GoMemory: "128MiB",
			Exec: []string{control, "scheduler", "--kubeconfig=/etc/kubernetes/scheduler.conf"},
		}
	case unitControllers:
		return unit{
			Description: "Noriter controllers: make what is into what was asked for", Alias: "kube-controller-manager",
			After: unitAPIServer + ".service", MemoryMax: "384M", GoMemory: "192MiB",
			Exec: []string{
				control, "controllers", "--kubeconfig=/etc/kubernetes/controller-manager.conf",
				"--cluster-cidr=" + PodCIDR, "--service-cluster-ip-range=" + ServiceCIDR,
			},
		}
	case unitRegistry:
		return unit{
			Description: "Noriter registry: images that nodes may pull, if they are let", Alias: "registry",
			MemoryMax: "256M", GoMemory: "64MiB",
			Exec: []string{control, "registry"},
		}
	case unitAgent:
		u := unit{
			Description: "Noriter agent: runs the pods of this node", Alias: "kubelet",
			After: "containerd.service", MemoryMax: "256M", GoMemory: "128MiB", KillMode: killProcess,
			Exec: []string{
				node, "agent", "--kubeconfig=/etc/kubernetes/kubelet.conf",
				"--hostname-override=" + n.Name, "--node-ip=" + n.Address.String(),
				"--cluster-dns=" + DNSAddress, "--cluster-domain=" + Domain, "--cluster-cidr=" + PodCIDR,
				"--tls-cert-file=" + pki.KubeletCertDir + "/kubelet.crt",
				"--tls-private-key-file=" + pki.KubeletCertDir + "/kubelet.key",
			},
		}
		if n.Control {
			u.Exec = append(u.Exec, "--register-with-taints="+controlPlaneLabel+"=:NoSchedule")
		}
		if f.container {
			// The kernel is the host's: fewer ways into it.
			u.Exec = append(u.Exec, "--seccomp-default")
		}
		if f.container && n.MemoryMiB > 0 {
			u.Exec = append(u.Exec, fmt.Sprintf("--capacity-memory=%dMi", n.MemoryMiB))
		}
		if f.container && n.CPUs > 0 {
			u.Exec = append(u.Exec, fmt.Sprintf("--capacity-cpu=%d", n.CPUs))
		}
		return u
	case unitProxy:
		return unit{
			Description: "Noriter proxy: turns Services into nftables", Alias: "kube-proxy",
			After: "containerd.service", MemoryMax: "128M", GoMemory: "64MiB",
			Exec: []string{
				node, "proxy", "--kubeconfig=/etc/kubernetes/kube-proxy.conf",
				"--hostname-override=" + n.Name, "--cluster-cidr=" + PodCIDR, "--own-cidrs=" + c.ownText(),
			},
		}
	}
	return unit{}
}

func (c *Cluster) ownText() string {
	var all []string
	for _, n := range c.ownNetworks() {
		all = append(all, n.String())
	}
	return strings.Join(all, ",")
}

// controlPlaneLabel is upstream's label and taint of the control node.
const controlPlaneLabel = "node-role.kubernetes.io/control-plane"
