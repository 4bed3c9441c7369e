package match

import (
	"net/netip"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// memberHolds says whether a value is a member of a list, or matches it: a member may be a network
// or have wildcards.
func memberHolds(v decode.Value, member string, cased bool) bool {
	if equalValue(v, member, cased) {
		return true
	}
	if pattern, ok := rule.MemberPattern(member); ok {
		return globText(v.Text, []rune(pattern), cased)
	}
	if network, ok := memberNetwork(member); ok {
		addr, ok := parseAddr(v.Text)
		return ok && network.Contains(addr)
	}
	return false
}

// memberNetwork reads a member that is a network and not a single address.
func memberNetwork(member string) (network netip.Prefix, ok bool) {
	if strings.IndexByte(member, '/') < 0 {
		return network, false
	}
	return parseNetwork(member)
}

// plainMembers marks the name of a list of which only the members without wildcards and networks
// are meant.
const plainMembers = "\x00"

// expandList returns a query that is the same as a leaf of a list whose members are texts,
// networks and patterns. A leaf of texts alone stays as it is.
func (c *compiler) expandList(l *rule.Leaf) rule.Query {
	if c.lists == nil || strings.HasPrefix(l.Text, plainMembers) {
		return l
	}
	members, ok := c.lists(l.Text)
	if !ok {
		return l
	}
	or := &rule.Or{}
	for _, m := range members {
		one := *l
		if pattern, ok := rule.MemberPattern(m); ok {
			one.Op, one.Text = rule.OpGlob, pattern
		} else if _, ok := memberNetwork(m); ok {
			one.Op, one.Text = rule.OpCIDR, m
		} else {
			continue
		}
		or.Of = append(or.Of, &one)
	}
	if len(or.Of) == 0 {
		return l
	}
	plain := *l
	plain.Text = plainMembers + l.Text
	or.Of = append(or.Of, &plain)
	return or
}

// listMembers finds the members that are compared as texts.
func (c *compiler) listMembers(name string) (members []string, ok bool) {
	if c.lists == nil {
		return nil, false
	}
	name, only := strings.CutPrefix(name, plainMembers)
	all, ok := c.lists(name)
	if !only {
		return all, ok
	}
	for _, m := range all {
		if _, pattern := rule.MemberPattern(m); !pattern {
			members = append(members, m) // of a network, its text
		}
	}
	return members, ok
}
