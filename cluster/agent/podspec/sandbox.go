package podspec

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/runtime"
)

// GeneratePodSandboxConfig describes the pod's sandbox: its network, host name, DNS, log
// directory and shared namespaces, all that containers of a pod have in common
// (generatePodSandboxConfig in pkg/kubelet/kuberuntime/kuberuntime_sandbox.go). attempt
// counts the pod's sandboxes from 0. warnings are for events (DNSConfigForming).
func (n *Node) GeneratePodSandboxConfig(pod *v1.Pod, attempt uint32) (config *cri.PodSandboxConfig, warnings []string, err error) {
	if pod.Spec.HostUsers != nil && !*pod.Spec.HostUsers {
		return nil, nil, fmt.Errorf("this node has no user namespaces for pods: leave out hostUsers or set it to true")
	}
	dns, warnings, err := n.getPodDNS(pod)
	if err != nil {
		return nil, nil, err
	}
	config = &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{
			Name: pod.Name, Namespace: pod.Namespace, Uid: string(pod.UID), Attempt: attempt,
		},
		Labels: runtime.SandboxLabels(pod), Annotations: pod.Annotations,
		LogDirectory: n.PodLogDir(pod.Namespace, pod.Name, pod.UID),
		DnsConfig:    dns,
		PortMappings: portMappings(pod),
	}
	if !pod.Spec.HostNetwork {
		if config.Hostname, err = n.kernelHostname(pod); err != nil {
			return nil, nil, err
		}
	}
	config.Linux, err = n.linuxSandbox(pod)
	return config, warnings, err
}

// portMappings are for the plugin portmap, which makes a container's hostPort work.
func portMappings(pod *v1.Pod) []*cri.PortMapping {
	var out []*cri.PortMapping
	for i := range pod.Spec.Containers {
		for _, p := range pod.Spec.Containers[i].Ports {
			out = append(out, &cri.PortMapping{
				Protocol: protocol(p.Protocol), ContainerPort: p.ContainerPort, HostPort: p.HostPort, HostIp: p.HostIP,
			})
		}
	}
	return out
}

func protocol(p v1.Protocol) cri.Protocol {
	switch p {
	case v1.ProtocolUDP:
		return cri.Protocol_UDP
	case v1.ProtocolSCTP:
		return cri.Protocol_SCTP
	}
	return cri.Protocol_TCP
}

// linuxSandbox is the part of the sandbox that only Linux has.
func (n *Node) linuxSandbox(pod *v1.Pod) (*cri.LinuxPodSandboxConfig, error) {
	groups, policy, err := supplementalGroups(pod)
	if err != nil {
		return nil, err
	}
	lc := &cri.LinuxPodSandboxConfig{
		CgroupParent: n.CgroupParent(pod),
		Sysctls:      map[string]string{},
		Resources:    n.calculateLinuxResources(podLimits(pod)),
		SecurityContext: &cri.LinuxSandboxSecurityContext{
			NamespaceOptions:   namespaces(pod),
			Privileged:         anyPrivileged(pod),
			SupplementalGroups: groups, SupplementalGroupsPolicy: policy,
			// Only the pause process runs under this one.
			Seccomp: &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault},
		},
	}
	if sc := pod.Spec.SecurityContext; sc != nil {
		lc.SecurityContext.SelinuxOptions = selinux(sc.SELinuxOptions)
		if sc.RunAsUser != nil {
			lc.SecurityContext.RunAsUser = &cri.Int64Value{Value: *sc.RunAsUser}
		}
		if sc.RunAsGroup != nil {
			lc.SecurityContext.RunAsGroup = &cri.Int64Value{Value: *sc.RunAsGroup}
		}
		for _, s := range sc.Sysctls {
			// runc knows sysctls by dots only.
			lc.Sysctls[strings.ReplaceAll(s.Name, "/", ".")] = s.Value
		}
	}
	return lc, nil
}

// anyPrivileged tells whether the sandbox itself has to be privileged for the sake
// of one of its containers.
func anyPrivileged(pod *v1.Pod) bool {
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if sc := list[i].SecurityContext; sc != nil && isTrue(sc.Privileged) {
				return true
			}
		}
	}
	return false
}

// SandboxChange says whether a pod can go on in the sandbox it has.
type SandboxChange struct {
	Changed bool   // a new sandbox has to be made
	Attempt uint32 // its number, or that of the present one
	ID      string // the present newest sandbox, "" if there is none to replace
	Why     string // the text of condition PodReadyToStartContainers
}

// PodSandboxChanged compares the pod's sandboxes with what the pod needs
// (PodSandboxChanged in pkg/kubelet/kuberuntime/util/util.go). A sandbox dies when its
// pause process does, when the node reboots, or by `crictl stopp`.
func PodSandboxChanged(pod *v1.Pod, have *runtime.Pod) SandboxChange {
	if len(have.Sandboxes) == 0 {
		return SandboxChange{Changed: true, Why: "no pod sandbox exists"}
	}
	ready := 0
	for _, s := range have.Sandboxes {
		if s.State == cri.PodSandboxState_SANDBOX_READY {
			ready++
		}
	}
	newest := have.Sandboxes[0]
	again := SandboxChange{Changed: true, Attempt: newest.GetMetadata().GetAttempt() + 1, ID: newest.Id}
	switch {
	case ready > 1:
		again.Why = "multiple pod sandboxes are ready and need to be reconciled"
	case newest.State != cri.PodSandboxState_SANDBOX_READY:
		again.Why = "pod sandbox is not ready"
	case newest.GetLinux().GetNamespaces().GetOptions().GetNetwork() != networkMode(pod):
		again.ID, again.Why = "", "network namespace mode changed and sandbox needs to be recreated"
	case !pod.Spec.HostNetwork && newest.Network != nil && newest.Network.Ip == "":
		again.Why = "pod sandbox has no IP address"
	default:
		return SandboxChange{Attempt: newest.GetMetadata().GetAttempt(), ID: newest.Id}
	}
	return again
}
