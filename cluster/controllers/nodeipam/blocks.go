package nodeipam

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// maxBlocks keeps a mistyped CIDR from taking all the memory.
const maxBlocks = 1 << 16

// blocks are the equal parts of a network, each free or taken.
type blocks struct {
	all   netip.Prefix
	bits  int
	taken []bool
	at    int // the next to look at
}

func newBlocks(all netip.Prefix, bits int) (*blocks, error) {
	if !all.IsValid() || !all.Addr().Is4() {
		return nil, fmt.Errorf("cluster CIDR %v: an IPv4 network is wanted, such as 10.244.0.0/16", all)
	}
	if bits < all.Bits() || bits > 30 {
		return nil, fmt.Errorf("nodes can't have /%d of %v: the size must be between /%d and /30", bits, all, all.Bits())
	}
	count := 1 << (bits - all.Bits())
	if count > maxBlocks {
		return nil, fmt.Errorf("%v has %d blocks of /%d: at most %d are possible; make the network smaller or the blocks larger", all, count, bits, maxBlocks)
	}
	return &blocks{all: all.Masked(), bits: bits, taken: make([]bool, count)}, nil
}

// block is the prefix with the given number.
func (b *blocks) block(i int) netip.Prefix {
	var address [4]byte
	base := b.all.Addr().As4()
	binary.BigEndian.PutUint32(address[:], binary.BigEndian.Uint32(base[:])+uint32(i)<<(32-b.bits))
	return netip.PrefixFrom(netip.AddrFrom4(address), b.bits)
}

// index is the number of the block; it is false for what is none of the blocks.
func (b *blocks) index(p netip.Prefix) (int, bool) {
	if p.Bits() != b.bits || !b.all.Contains(p.Addr()) {
		return 0, false
	}
	address, base := p.Masked().Addr().As4(), b.all.Addr().As4()
	return int((binary.BigEndian.Uint32(address[:]) - binary.BigEndian.Uint32(base[:])) >> (32 - b.bits)), true
}

// next takes a free block. It goes on from the last one instead of starting over, so
// that the addresses of a node that was just removed are not used again at once.
func (b *blocks) next() (netip.Prefix, bool) {
	for range b.taken {
		i := b.at
		b.at = (b.at + 1) % len(b.taken)
		if !b.taken[i] {
			b.taken[i] = true
			return b.block(i), true
		}
	}
	return netip.Prefix{}, false
}

// take marks one block. It is false if that is taken, or none of ours.
func (b *blocks) take(p netip.Prefix) bool {
	i, ok := b.index(p)
	if !ok || b.taken[i] {
		return false
	}
	b.taken[i] = true
	return true
}

func (b *blocks) free(p netip.Prefix) {
	if i, ok := b.index(p); ok {
		b.taken[i] = false
	}
}

// exclude takes all blocks that overlap with a network.
func (b *blocks) exclude(other netip.Prefix) {
	for i := range b.taken {
		if b.block(i).Overlaps(other) {
			b.taken[i] = true
		}
	}
}
