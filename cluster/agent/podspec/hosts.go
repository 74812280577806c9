package podspec

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// hostnameMax is what the kernel takes of a host name, in bytes without the closing NUL.
const hostnameMax = 63

// generatePodHostNameAndDomain is the pod's host name and, with a subdomain, its domain: a
// headless service of that name makes HOSTNAME.SUBDOMAIN.NAMESPACE.svc.DOMAIN resolvable
// (GeneratePodHostNameAndDomain in pkg/kubelet/kubelet_pods.go).
func (n *Node) generatePodHostNameAndDomain(pod *v1.Pod) (hostname, domain string, err error) {
	hostname = pod.Name
	switch {
	case pod.Spec.HostnameOverride != nil:
		hostname = *pod.Spec.HostnameOverride
		if msgs := validation.IsDNS1123Subdomain(hostname); len(msgs) > 0 {
			return "", "", fmt.Errorf("pod HostnameOverride %q is not a valid DNS subdomain: %s", hostname, strings.Join(msgs, ";"))
		}
	case pod.Spec.Hostname != "":
		hostname = pod.Spec.Hostname
		if msgs := validation.IsDNS1123Label(hostname); len(msgs) > 0 {
			return "", "", fmt.Errorf("pod Hostname %q is not a valid DNS label: %s", hostname, strings.Join(msgs, ";"))
		}
	}
	if len(hostname) > hostnameMax {
		hostname = strings.TrimRight(hostname[:hostnameMax], "-.")
	}
	if pod.Spec.Subdomain != "" && pod.Spec.HostnameOverride == nil {
		domain = pod.Spec.Subdomain + "." + pod.Namespace + ".svc." + n.ClusterDomain
	}
	return hostname, domain, nil
}

// kernelHostname is what uname(2) will say: the fully qualified name if the pod asks
// for it (setHostnameAsFQDN).
func (n *Node) kernelHostname(pod *v1.Pod) (string, error) {
	hostname, domain, err := n.generatePodHostNameAndDomain(pod)
	if err != nil || domain == "" || !isTrue(pod.Spec.SetHostnameAsFQDN) {
		return hostname, err
	}
	fqdn := hostname + "." + domain
	if len(fqdn) > hostnameMax+1 {
		return "", fmt.Errorf("failed to construct FQDN from pod hostname and cluster domain, FQDN %s is too long (%d characters is the max, %d characters requested)",
			fqdn, hostnameMax+1, len(fqdn))
	}
	return fqdn, nil
}

// managedHostsFileContent is the content of the pod's /etc/hosts (managedHostsFileContent
// and nodeHostsFileContent in pkg/kubelet/kubelet_pods.go). A pod on the node's network
// gets the node's file (nodeHosts), any other a fresh one with its own addresses, so that
// it finds itself under its host name without DNS.
func managedHostsFileContent(pod *v1.Pod, hostname, domain string, podIPs []string, nodeHosts []byte) []byte {
	var b bytes.Buffer
	if pod.Spec.HostNetwork {
		b.WriteString("# Kubernetes-managed hosts file (host network).\n")
		b.Write(nodeHosts)
	} else {
		b.WriteString("# Kubernetes-managed hosts file.\n" +
			"127.0.0.1\tlocalhost\n" +
			"::1\tlocalhost ip6-localhost ip6-loopback\n" +
			"fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n")
		for _, ip := range podIPs {
			if domain != "" {
				fmt.Fprintf(&b, "%s\t%s.%s\t%s\n", ip, hostname, domain, hostname)
			} else {
				fmt.Fprintf(&b, "%s\t%s\n", ip, hostname)
			}
		}
	}
	if len(pod.Spec.HostAliases) > 0 {
		b.WriteString("\n# Entries added by HostAliases.\n")
		for _, alias := range pod.Spec.HostAliases {
			fmt.Fprintf(&b, "%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
		}
	}
	return b.Bytes()
}

// writeHosts puts the pod's /etc/hosts into its directory and returns the path.
func (n *Node) writeHosts(pod *v1.Pod, podIPs []string) (string, error) {
	hostname, domain, err := n.generatePodHostNameAndDomain(pod)
	if err != nil {
		return "", err
	}
	var nodeHosts []byte
	if pod.Spec.HostNetwork {
		if nodeHosts, err = os.ReadFile("/etc/hosts"); err != nil {
			return "", fmt.Errorf("reading the node's hosts file: %w", err)
		}
	}
	dir := n.PodDir(pod.UID)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("making the pod's directory: %w", err)
	}
	path := filepath.Join(dir, "etc-hosts")
	// Rewritten in place, not replaced: running containers hold a mount of this inode.
	if err := os.WriteFile(path, managedHostsFileContent(pod, hostname, domain, podIPs, nodeHosts), 0o644); err != nil {
		return "", fmt.Errorf("writing the pod's hosts file: %w", err)
	}
	return path, os.Chmod(path, 0o644)
}
