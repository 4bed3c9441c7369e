package rule

import (
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// Spread returns the rules whose groups may have logs on several partitions, when logs are put on
// partitions by the fields of a key: those that do not group by all of these fields, those that
// read other alerts or suppressions that do not, and those that expect keys: a key of which
// no log was ever seen is on no partition. Without a record key every rule is.
func (s *Set) Spread(key []string) []*Rule {
	suppressed := map[string]bool{}
	for _, m := range s.Suppressions {
		suppressed[m.Name] = !covers(m.By, key)
	}
	var spread []*Rule
	for _, r := range s.Rules {
		if r.Mode != Off &&
			(!covers(r.By, key) || r.Expect != "" || r.Source == "alerts" || readsFiring(r.When) ||
				slices.ContainsFunc(r.SuppressedBy, func(name string) bool {
					return suppressed[name]
				})) {
			spread = append(spread, r)
		}
	}
	return spread
}

// covers says whether logs of one group have one key.
func covers(by []Label, key []string) bool {
	for _, field := range key {
		field = decode.Canonical(field)
		if !slices.ContainsFunc(
			by,
			func(l Label) bool { return len(l.Fields) == 1 && l.Fields[0] == field },
		) {
			return false
		}
	}
	return len(key) > 0
}

// readsFiring says whether a condition reads whether another alert fires.
func readsFiring(c Condition) bool {
	switch c := c.(type) {
	case *Binary:
		return readsFiring(c.Left) || readsFiring(c.Right)
	case *Unary:
		return readsFiring(c.Of)
	case *Call:
		return c.Func == "firing" || c.Of != nil && readsFiring(c.Of)
	}
	return false
}
