package libvirt

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/preflight"
)

// closedChain is a chain of the host's firewall by which packets between two machines
// come, and which ends in dropping or rejecting them: "ip filter FORWARD". Empty is none.
// libvirt's own accept rules don't help where they are in another table (libvirt 10.4
// and later write nftables): each table has to let a packet pass.
func closedChain() (string, error) {
	c, err := nftables.New()
	if err != nil {
		return "", fmt.Errorf("opening nftables: %w", err)
	}
	chains, err := c.ListChains()
	if err != nil {
		return "", fmt.Errorf("listing the firewall's chains: %w", err)
	}
	for _, chain := range chains {
		if chain.Hooknum == nil || *chain.Hooknum != *nftables.ChainHookForward || ownTable(chain.Table.Name) || !forIPv4(chain.Table.Family) {
			continue
		}
		closed := chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop
		if !closed {
			rules, err := c.GetRules(chain.Table, chain)
			if err != nil {
				return "", fmt.Errorf("listing the rules of chain %s: %w", chain.Name, err)
			}
			closed = len(rules) > 0 && endsAll(rules[len(rules)-1].Exprs)
		}
		if closed {
			return strings.Join([]string{familyName(chain.Table.Family), chain.Table.Name, chain.Name}, " "), nil
		}
	}
	return "", nil
}

// ownTable says whether a table is libvirt's: it lets its own networks pass.
func ownTable(name string) bool { return strings.HasPrefix(name, "libvirt") }

func forIPv4(f nftables.TableFamily) bool {
	return f == nftables.TableFamilyIPv4 || f == nftables.TableFamilyINet
}

func familyName(f nftables.TableFamily) string {
	if f == nftables.TableFamilyINet {
		return "inet"
	}
	return "ip"
}

// endsAll says whether a rule drops or rejects whatever comes to it, as firewalld's
// last one does.
func endsAll(exprs []expr.Any) bool {
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Counter:
		case *expr.Verdict:
			return e.Kind == expr.VerdictDrop
		case *expr.Reject:
			return true
		default:
			return false // it asks for something
		}
	}
	return false
}

// firewall warns of a firewall that may keep machines apart on the host's own libvirt:
// bridged packets pass it where br_netfilter is on.
func (p hostChecks) firewall() preflight.Result {
	data, err := os.ReadFile(p.Path("proc/sys/net/bridge/bridge-nf-call-iptables"))
	if err != nil || strings.TrimSpace(string(data)) != "1" {
		return preflight.Passed("bridged packets don't pass it", "브리지를 지나는 패킷은 거치지 않습니다")
	}
	if p.Host.EUID != 0 {
		return preflight.Passed("only root may look at its rules", "규칙은 root만 볼 수 있습니다")
	}
	chain, err := p.probes.ClosedChain()
	switch {
	case err != nil:
		return preflight.Warned("", err.Error(), err.Error())
	case chain == "":
		return preflight.Passed("it lets packets between machines pass", "머신 사이의 패킷을 통과시킵니다")
	}
	what := lang.Textf("its chain %q lets pass only what other programs need, and packets between machines may have to pass it",
		"체인 %q은(는) 다른 프로그램에 필요한 것만 통과시킵니다. 머신 사이의 패킷도 이곳을 거칠 수 있습니다", chain)
	bridge := BridgeName(p.Options.Testbed)
	if p.Options.Testbed == "" {
		bridge = "BRIDGE"
	}
	return preflight.Warned("nori up --isolated   # or: nft insert rule "+chain+" iifname "+bridge+" oifname "+bridge+" accept", what.EN, what.KO)
}
