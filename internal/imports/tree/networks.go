package tree

import (
	"fmt"
	"math/bits"
	"net/netip"
)

// Networks are the networks that a range of IPv4 addresses consists of.
func Networks(from, to string) (list []string, err error) {
	a, err1 := netip.ParseAddr(from)
	b, err2 := netip.ParseAddr(to)
	if err1 != nil || err2 != nil || !a.Is4() || !b.Is4() || b.Less(a) {
		return nil, fmt.Errorf("%s to %s is not a range of IPv4 addresses", from, to)
	}
	number := func(a netip.Addr) uint64 {
		o := a.As4()
		return uint64(o[0])<<24 | uint64(o[1])<<16 | uint64(o[2])<<8 | uint64(o[3])
	}
	for low, high := number(a), number(b); low <= high; {
		size := min(bits.TrailingZeros64(low|1<<32), bits.Len64(high-low+1)-1)
		addr := netip.AddrFrom4(
			[4]byte{byte(low >> 24), byte(low >> 16), byte(low >> 8), byte(low)},
		)
		list = append(list, netip.PrefixFrom(addr, 32-size).String())
		low += 1 << size
	}
	return list, nil
}
