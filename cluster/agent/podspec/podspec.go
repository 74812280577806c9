// Package podspec translates a pod as the API describes it into what the container
// runtime is asked for: sandbox and container configurations in CRI's terms. Apart
// from the few files a pod brings along (/etc/hosts, the termination log), it only
// computes, so every rule here can be read and tested without a runtime.
package podspec

import (
	"fmt"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Node is what the node and the agent's options contribute to every pod. Its methods make
// the configurations of sandboxes and containers.
type Node struct {
	RootDir       string   // /var/lib/kubelet
	LogDir        string   // /var/log/pods
	ClusterDNS    []string // addresses of the cluster's DNS service
	ClusterDomain string   // cluster.local
	ResolvConf    string   // the node's resolv.conf; "" for none
	CgroupRoot    string   // parent of all pods' cgroups; "" is the root of the hierarchy
	SystemdCgroup bool     // the runtime names cgroups as systemd slices
	SeccompDir    string   // where Localhost seccomp profiles are
	MemoryBytes   int64    // of the node
	CPUs          int      // that the node may use, where it is limited; 0 is all it sees
	// SeccompDefault gives those who ask for no profile the runtime's.
	SeccompDefault bool
}

// PodDir is where the agent keeps what belongs to a pod. It goes by UID: a pod and its
// successor of the same name must not share files.
func (n *Node) PodDir(uid types.UID) string {
	return filepath.Join(n.RootDir, "pods", string(uid))
}

// PodLogDir is the directory of all logs of a pod (BuildPodLogsDirectory in
// pkg/kubelet/kuberuntime/helpers.go). Log collectors read the pod's name off it.
func (n *Node) PodLogDir(namespace, name string, uid types.UID) string {
	return filepath.Join(n.LogDir, namespace+"_"+name+"_"+string(uid))
}

// LogPath is where a container's log is, for its n-th restart, relative to PodLogDir.
func LogPath(container string, restarts int) string {
	return filepath.Join(container, fmt.Sprintf("%d.log", restarts))
}

// FormatPod names a pod as the kubelet's messages do: name_namespace(uid) (format.Pod).
func FormatPod(pod *v1.Pod) string {
	return fmt.Sprintf("%s_%s(%s)", pod.Name, pod.Namespace, pod.UID)
}
