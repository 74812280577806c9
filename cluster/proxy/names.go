package proxy

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/knftables"
)

// chainNames are the chains of a service port, in the form that upstream gives them
// (servicePortChainNameBase in pkg/proxy/nftables/proxier.go): a hash that keeps them
// apart, then what a person looks for.
type chainNames struct {
	base, comment                      string
	cluster, local, external, firewall string
}

func chainNamesFor(p *servicePort) chainNames {
	base := strings.Join([]string{p.namespace, p.service, p.protocol, p.port}, "/")
	hash := hashAndTruncate(base)
	comment := p.namespace + "/" + p.service
	if p.port != "" {
		comment += ":" + p.port
	}
	return chainNames{
		base: base, comment: comment[:min(len(comment), knftables.CommentLengthMax)],
		cluster: "service-" + hash, local: "local-" + hash, external: "external-" + hash, firewall: "firewall-" + hash,
	}
}

// endpoint is the chain of one endpoint, which only session affinity needs.
func (n chainNames) endpoint(e endpoint) string {
	return "endpoint-" + hashAndTruncate(fmt.Sprintf("%s__%s/%d", n.base, e.addr.Addr(), e.addr.Port()))
}

// affinity names an endpoint's set of clients. The time is part of the name,
// because that of an existing set can't be changed.
func (n chainNames) affinity(e endpoint, keep time.Duration) string {
	return "affinity-" + hashAndTruncate(fmt.Sprintf("%s__%s/%d/%ds", n.base, e.addr.Addr(), e.addr.Port(), int(keep.Seconds())))
}

// hashAndTruncate puts a hash before a name, which makes it unique even where it has to be
// cut to what the kernel takes.
func hashAndTruncate(name string) string {
	sum := sha256.Sum256([]byte(name))
	name = base32.StdEncoding.EncodeToString(sum[:])[:8] + "-" + name
	const room = knftables.NameLengthMax - len("firewall-") - 1
	if len(name) > room {
		return name[:room-3] + "..."
	}
	return name
}

// isServiceChainName tells the chains of service ports from the fixed ones, none
// of which has a slash in its name.
func isServiceChainName(name string) bool { return strings.Contains(name, "/") }

// isAffinitySetName tells the sets of clients from the fixed ones.
func isAffinitySetName(name string) bool { return strings.HasPrefix(name, "affinity-") }
