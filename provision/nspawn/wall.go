package nspawn

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// wallTable is the table of rules in the testbed's namespace:
//
//	table inet noriter {
//	  chain forward {
//	    type filter hook forward priority filter; policy drop;
//	    ct state established,related accept     # answers
//	    iifname "host" accept                   # the host calls in
//	    iifname BRIDGE oifname BRIDGE accept    # machines call each other
//	  }
//	}
//
// The last one is for bridged packets, which come by here where br_netfilter is loaded.
const wallTable = "noriter"

// makeWall writes the rules, in place of those that are there. It runs inside the
// testbed's namespace.
func (p *Provider) makeWall() error {
	c, err := nftables.New()
	if err != nil {
		return lang.Errorf("opening nftables: %w", "nftables 열기: %w", err)
	}
	table := &nftables.Table{Name: wallTable, Family: nftables.TableFamilyINet}
	c.AddTable(table) // so that there is one to delete
	c.DelTable(table)
	c.AddTable(table)
	drop := nftables.ChainPolicyDrop
	chain := c.AddChain(&nftables.Chain{
		Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &drop,
	})
	bridge := p.bridge()
	for _, when := range [][]expr.Any{
		answers(), card(expr.MetaKeyIIFNAME, outside),
		append(card(expr.MetaKeyIIFNAME, bridge), card(expr.MetaKeyOIFNAME, bridge)...),
	} {
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(when, &expr.Verdict{Kind: expr.VerdictAccept})})
	}
	if err := c.Flush(); err != nil {
		return lang.Errorf("writing the rules of table %s: %w", "테이블 %s의 규칙 쓰기: %w", wallTable, err)
	}
	return nil
}

// answers are packets of connections that somebody else began.
func answers() []expr.Any {
	known := binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	return []expr.Any{
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: known, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

// card are packets that come or go by a card.
func card(key expr.MetaKey, name string) []expr.Any {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: padded},
	}
}
