package podspec

import (
	"fmt"
	"path/filepath"
	"sync"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Parts of /proc and /sys that tell about, or change, the node: hidden from
// containers or made read-only, unless procMount is Unmasked
// (pkg/securitycontext/util.go).
var (
	maskedPaths = sync.OnceValue(func() []string {
		return append([]string{
			"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
			"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
			"/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
		}, thermalThrottle("/sys")...)
	})
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// thermalThrottle are the folders, one for each processor that has it, which tell what
// the processors are doing, down to other programs' work.
func thermalThrottle(sys string) []string {
	found, err := filepath.Glob(filepath.Join(sys, "devices/system/cpu/cpu[0-9]*/thermal_throttle"))
	if err != nil {
		return nil // only of a pattern that can't be parsed
	}
	return found
}

// namespaces says which kernel namespaces the pod has to itself and which it shares
// with the node (hostNetwork, hostPID, hostIPC) or among its containers
// (shareProcessNamespace).
func namespaces(pod *v1.Pod) *cri.NamespaceOption {
	ns := &cri.NamespaceOption{Pid: cri.NamespaceMode_CONTAINER}
	if pod.Spec.HostNetwork {
		ns.Network = cri.NamespaceMode_NODE
	}
	if pod.Spec.HostIPC {
		ns.Ipc = cri.NamespaceMode_NODE
	}
	switch {
	case pod.Spec.HostPID:
		ns.Pid = cri.NamespaceMode_NODE
	case isTrue(pod.Spec.ShareProcessNamespace):
		ns.Pid = cri.NamespaceMode_POD
	}
	return ns
}

// networkMode is the network namespace a sandbox of this pod must have.
func networkMode(pod *v1.Pod) cri.NamespaceMode { return namespaces(pod).Network }

// determineEffectiveSecurityContext is the container's security context with what it
// leaves open taken from the pod's (DetermineEffectiveSecurityContext in
// pkg/securitycontext/util.go).
func determineEffectiveSecurityContext(pod *v1.Pod, container *v1.Container) v1.SecurityContext {
	var sc v1.SecurityContext
	if container.SecurityContext != nil {
		sc = *container.SecurityContext.DeepCopy()
	}
	p := pod.Spec.SecurityContext
	if p == nil {
		return sc
	}
	if sc.SELinuxOptions == nil {
		sc.SELinuxOptions = p.SELinuxOptions
	}
	if sc.RunAsUser == nil {
		sc.RunAsUser = p.RunAsUser
	}
	if sc.RunAsGroup == nil {
		sc.RunAsGroup = p.RunAsGroup
	}
	if sc.RunAsNonRoot == nil {
		sc.RunAsNonRoot = p.RunAsNonRoot
	}
	if sc.SeccompProfile == nil {
		sc.SeccompProfile = p.SeccompProfile
	}
	if sc.AppArmorProfile == nil {
		sc.AppArmorProfile = p.AppArmorProfile
	}
	return sc
}

// ImageUser is the user an image runs as unless told otherwise: a number, or a name
// that only the image's own /etc/passwd can resolve.
type ImageUser struct {
	UID  *int64
	Name string
}

// verifyRunAsNonRoot holds runAsNonRoot against the user the container would run as
// (verifyRunAsNonRoot in pkg/kubelet/kuberuntime/security_context_others.go). A user by
// name is refused: what number it has is known only inside the image, and it may be 0.
func verifyRunAsNonRoot(pod *v1.Pod, container *v1.Container, sc v1.SecurityContext, image ImageUser) error {
	if !isTrue(sc.RunAsNonRoot) {
		return nil
	}
	where := fmt.Sprintf("(pod: %q, container: %s)", FormatPod(pod), container.Name)
	switch {
	case sc.RunAsUser != nil && *sc.RunAsUser == 0:
		return fmt.Errorf("container's runAsUser breaks non-root policy %s", where)
	case sc.RunAsUser != nil:
		return nil
	case image.UID != nil && *image.UID == 0:
		return fmt.Errorf("container has runAsNonRoot and image will run as root %s", where)
	case image.UID == nil && image.Name != "":
		return fmt.Errorf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root %s", image.Name, where)
	}
	return nil
}

// security is the container's security context in CRI's terms. targetID, if not
// empty, is the container whose processes an ephemeral container wants to see.
func (n *Node) security(pod *v1.Pod, sc v1.SecurityContext, image ImageUser, targetID string) (*cri.LinuxContainerSecurityContext, error) {
	out := &cri.LinuxContainerSecurityContext{
		NamespaceOptions: namespaces(pod),
		Privileged:       isTrue(sc.Privileged),
		ReadonlyRootfs:   isTrue(sc.ReadOnlyRootFilesystem),
		NoNewPrivs:       sc.AllowPrivilegeEscalation != nil && !*sc.AllowPrivilegeEscalation,
		SelinuxOptions:   selinux(sc.SELinuxOptions),
	}
	if targetID != "" && out.NamespaceOptions.Pid == cri.NamespaceMode_CONTAINER {
		out.NamespaceOptions.Pid = cri.NamespaceMode_TARGET
		out.NamespaceOptions.TargetId = targetID
	}
	if c := sc.Capabilities; c != nil {
		out.Capabilities = &cri.Capability{}
		for _, name := range c.Add {
			out.Capabilities.AddCapabilities = append(out.Capabilities.AddCapabilities, string(name))
		}
		for _, name := range c.Drop {
			out.Capabilities.DropCapabilities = append(out.Capabilities.DropCapabilities, string(name))
		}
	}
	switch {
	case sc.RunAsUser != nil:
		out.RunAsUser = &cri.Int64Value{Value: *sc.RunAsUser}
	case image.UID != nil:
		out.RunAsUser = &cri.Int64Value{Value: *image.UID}
	default:
		out.RunAsUsername = image.Name
	}
	if sc.RunAsGroup != nil {
		out.RunAsGroup = &cri.Int64Value{Value: *sc.RunAsGroup}
	}
	if sc.ProcMount == nil || *sc.ProcMount != v1.UnmaskedProcMount {
		out.MaskedPaths, out.ReadonlyPaths = maskedPaths(), readonlyPaths
	}
	groups, policy, err := supplementalGroups(pod)
	if err != nil {
		return nil, err
	}
	out.SupplementalGroups, out.SupplementalGroupsPolicy = groups, policy
	if out.Seccomp, err = n.seccomp(sc.SeccompProfile); err != nil {
		return nil, err
	}
	out.Apparmor = appArmor(sc.AppArmorProfile)
	return out, nil
}

// selinux has no effect on a node without SELinux.
func selinux(o *v1.SELinuxOptions) *cri.SELinuxOption {
	if o == nil {
		return nil
	}
	return &cri.SELinuxOption{User: o.User, Role: o.Role, Type: o.Type, Level: o.Level}
}

// supplementalGroups are the groups that every process of the pod is in besides its own.
// fsGroup is one of them, because the pod's volumes belong to it.
func supplementalGroups(pod *v1.Pod) ([]int64, cri.SupplementalGroupsPolicy, error) {
	sc := pod.Spec.SecurityContext
	if sc == nil {
		return nil, 0, nil
	}
	var groups []int64
	if sc.FSGroup != nil {
		groups = append(groups, *sc.FSGroup)
	}
	groups = append(groups, sc.SupplementalGroups...)
	if sc.SupplementalGroupsPolicy == nil {
		return groups, 0, nil
	}
	policy, ok := cri.SupplementalGroupsPolicy_value[string(*sc.SupplementalGroupsPolicy)]
	if !ok {
		return nil, 0, fmt.Errorf("unsupported supplementalGroupsPolicy: %s", *sc.SupplementalGroupsPolicy)
	}
	return groups, cri.SupplementalGroupsPolicy(policy), nil
}

// seccomp is Unconfined for whoever asks for no profile, or what the node gives those
// (getSeccompProfile in pkg/kubelet/kuberuntime/helpers.go).
func (n *Node) seccomp(p *v1.SeccompProfile) (*cri.SecurityProfile, error) {
	switch {
	case p == nil && n.SeccompDefault:
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault}, nil
	case p == nil || p.Type == v1.SeccompProfileTypeUnconfined:
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined}, nil
	case p.Type == v1.SeccompProfileTypeRuntimeDefault:
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault}, nil
	case p.LocalhostProfile == nil || *p.LocalhostProfile == "":
		return nil, fmt.Errorf("localhostProfile must be set if seccompProfile type is Localhost")
	}
	return &cri.SecurityProfile{
		ProfileType:  cri.SecurityProfile_Localhost,
		LocalhostRef: filepath.Join(n.SeccompDir, *p.LocalhostProfile),
	}, nil
}

// appArmor is left to the runtime for whoever asks for no profile: that is its default
// profile on a node with AppArmor.
func appArmor(p *v1.AppArmorProfile) *cri.SecurityProfile {
	switch {
	case p == nil:
		return nil
	case p.Type == v1.AppArmorProfileTypeRuntimeDefault:
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault}
	case p.Type == v1.AppArmorProfileTypeLocalhost && p.LocalhostProfile != nil:
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Localhost, LocalhostRef: *p.LocalhostProfile}
	}
	return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined}
}
