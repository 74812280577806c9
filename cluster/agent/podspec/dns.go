package podspec

import (
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// What resolvers take at most (pkg/apis/core/validation). glibc reads three name servers
// and ignores the others without a word, so it is better to say that they are left out.
const (
	maxNameservers = 3
	maxSearches    = 32   // domains
	maxSearchChars = 2048 // bytes, all of them in one line
	maxSearchName  = 253  // bytes, one of them: the longest a DNS name can be
)

// getPodDNS is the resolv.conf of the pod's containers after its dnsPolicy and dnsConfig
// (GetPodDNS in pkg/kubelet/network/dns/dns.go). warnings are what the pod's owner should
// read in events, because some of it did not fit.
func (n *Node) getPodDNS(pod *v1.Pod) (config *cri.DNSConfig, warnings []string, err error) {
	policy := pod.Spec.DNSPolicy
	if policy == v1.DNSClusterFirst && pod.Spec.HostNetwork {
		policy = v1.DNSDefault // the node's processes use the node's DNS
	}
	config = &cri.DNSConfig{}
	switch policy {
	case v1.DNSNone:
	case v1.DNSDefault:
		if config, err = n.hostDNS(); err != nil {
			return nil, nil, err
		}
	default: // ClusterFirst, ClusterFirstWithHostNet
		host, err := n.hostDNS()
		if err != nil {
			return nil, nil, err
		}
		if len(n.ClusterDNS) == 0 {
			warnings = append(warnings, fmt.Sprintf("pod: %q. kubelet does not have ClusterDNS IP configured and cannot create Pod using %q policy. Falling back to %q policy.",
				FormatPod(pod), v1.DNSClusterFirst, v1.DNSDefault))
			config = host
			break
		}
		config.Servers = slices.Clone(n.ClusterDNS)
		config.Searches = host.Searches
		if d := n.ClusterDomain; d != "" {
			config.Searches = unique(append([]string{pod.Namespace + ".svc." + d, "svc." + d, d}, host.Searches...))
		}
		// A name with fewer dots than this is first tried with the search domains: web,
		// web.shop and web.shop.svc must all be found.
		config.Options = []string{"ndots:5"}
	}
	if extra := pod.Spec.DNSConfig; extra != nil {
		config.Servers = unique(append(config.Servers, extra.Nameservers...))
		config.Searches = unique(append(config.Searches, extra.Searches...))
		config.Options = mergeOptions(config.Options, extra.Options)
	}
	return config, append(warnings, fit(config)...), nil
}

// hostDNS is the node's own configuration.
func (n *Node) hostDNS() (*cri.DNSConfig, error) {
	if n.ResolvConf == "" {
		return &cri.DNSConfig{}, nil
	}
	data, err := os.ReadFile(n.ResolvConf)
	if err != nil {
		return nil, fmt.Errorf("reading the node's DNS configuration (--resolv-conf): %w", err)
	}
	return parseResolvConf(string(data)), nil
}

// parseResolvConf reads what resolv.conf(5) says of servers, search domains and
// options; the last line of each but "nameserver" wins.
func parseResolvConf(text string) *cri.DNSConfig {
	config := &cri.DNSConfig{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") || strings.HasPrefix(fields[0], ";") {
			continue
		}
		switch fields[0] {
		case "nameserver":
			config.Servers = append(config.Servers, fields[1])
		case "search", "domain":
			config.Searches = nil
			for _, s := range fields[1:] {
				if s != "." {
					config.Searches = append(config.Searches, strings.TrimSuffix(s, "."))
				}
			}
		case "options":
			for _, o := range fields[1:] {
				name, _, _ := strings.Cut(o, ":")
				config.Options = setOption(config.Options, name, o)
			}
		}
	}
	return config
}

// mergeOptions lets the pod's options replace those of the same name.
func mergeOptions(options []string, extra []v1.PodDNSConfigOption) []string {
	for _, e := range extra {
		text := e.Name
		if e.Value != nil && *e.Value != "" {
			text += ":" + *e.Value
		}
		options = setOption(options, e.Name, text)
	}
	return options
}

// setOption replaces the option of that name or adds it.
func setOption(options []string, name, text string) []string {
	for i, o := range options {
		if have, _, _ := strings.Cut(o, ":"); have == name {
			options[i] = text
			return options
		}
	}
	return append(options, text)
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// fit cuts config to what resolvers take and says what was lost.
func fit(config *cri.DNSConfig) (warnings []string) {
	if len(config.Servers) > maxNameservers {
		config.Servers = config.Servers[:maxNameservers]
		warnings = append(warnings, "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "+
			strings.Join(config.Servers, " "))
	}
	var searches []string
	for _, s := range config.Searches {
		if len(s) <= maxSearchName && len(searches) < maxSearches && len(strings.Join(append(searches, s), " ")) <= maxSearchChars {
			searches = append(searches, s)
		}
	}
	if len(searches) < len(config.Searches) {
		warnings = append(warnings, "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "+
			strings.Join(searches, " "))
	}
	config.Searches = searches
	return warnings
}
