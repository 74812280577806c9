package nodeipam

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

const (
	// maxBlocks keeps a mistyped CIDR from taking all the memory. Upstream allows as many,
	// in other words (clusterSubnetMaxDiff, 16 bits).
	maxBlocks = 1 << 16
	// maxBits leaves a node two addresses that can be used, one of them for its own end of
	// the pod network.
	maxBits = 30
)

// cidrSet are the equal blocks of a network, each free or taken (upstream's
// pkg/controller/nodeipam/ipam/cidrset). A block is addressed by its number: number i
// begins i·2^(32-bits) addresses after the network does.
type cidrSet struct {
	all   netip.Prefix // the network
	bits  int          // prefix length of each block
	taken []bool       // by number
	at    int          // the number to look at next
}

func newCIDRSet(all netip.Prefix, bits int) (*cidrSet, error) {
	if !all.IsValid() || !all.Addr().Is4() {
		return nil, fmt.Errorf("cluster CIDR %v: an IPv4 network is wanted, such as 10.244.0.0/16", all)
	}
	if bits < all.Bits() || bits > maxBits {
		return nil, fmt.Errorf("nodes can't have /%d of %v: the size must be between /%d and /%d", bits, all, all.Bits(), maxBits)
	}
	count := 1 << (bits - all.Bits())
	if count > maxBlocks {
		return nil, fmt.Errorf("%v has %d blocks of /%d: at most %d are possible; make the network smaller or the blocks larger", all, count, bits, maxBlocks)
	}
	return &cidrSet{all: all.Masked(), bits: bits, taken: make([]bool, count)}, nil
}

// block is the prefix with the given number.
func (s *cidrSet) block(i int) netip.Prefix {
	var address [4]byte
	base := s.all.Addr().As4()
	binary.BigEndian.PutUint32(address[:], binary.BigEndian.Uint32(base[:])+uint32(i)<<(32-s.bits))
	return netip.PrefixFrom(netip.AddrFrom4(address), s.bits)
}

// index is the number of the block; it is false for what is none of the blocks.
func (s *cidrSet) index(p netip.Prefix) (int, bool) {
	if p.Bits() != s.bits || !s.all.Contains(p.Addr()) {
		return 0, false
	}
	address, base := p.Masked().Addr().As4(), s.all.Addr().As4()
	return int((binary.BigEndian.Uint32(address[:]) - binary.BigEndian.Uint32(base[:])) >> (32 - s.bits)), true
}

// allocateNext takes a free block (upstream's AllocateNext). It goes on from the last one
// instead of starting over, so that the addresses of a node that was just removed are not
// used again at once: its pods may still run, and others may still send to them.
func (s *cidrSet) allocateNext() (netip.Prefix, bool) {
	for range s.taken {
		i := s.at
		s.at = (s.at + 1) % len(s.taken)
		if !s.taken[i] {
			s.taken[i] = true
			return s.block(i), true
		}
	}
	return netip.Prefix{}, false
}

// occupy takes a block that a node has already. It is false if that is taken, or none of
// ours.
func (s *cidrSet) occupy(p netip.Prefix) bool {
	i, ok := s.index(p)
	if !ok || s.taken[i] {
		return false
	}
	s.taken[i] = true
	return true
}

// release makes a block free again.
func (s *cidrSet) release(p netip.Prefix) {
	if i, ok := s.index(p); ok {
		s.taken[i] = false
	}
}

// exclude takes all blocks that overlap with a network (upstream's
// filterOutServiceRange). They are never free again.
func (s *cidrSet) exclude(other netip.Prefix) {
	for i := range s.taken {
		if s.block(i).Overlaps(other) {
			s.taken[i] = true
		}
	}
}
