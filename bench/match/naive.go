package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/number"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// naive is the loop that everyone writes first, written well: each rule is asked in turn, fields
// are numbers, and each text is lowered once for each log.
type naive struct {
	rules  []test
	lower  [][]byte
	stamp  []int
	number int
	log    *decode.Log
}

type test func(n *naive) bool

func newNaive(queries []rule.Query, fields *decode.Fields) *naive {
	n := &naive{lower: make([][]byte, fields.Len()), stamp: make([]int, fields.Len())}
	for _, q := range queries {
		n.rules = append(n.rules, naiveTest(q, fields))
	}
	return n
}

func (n *naive) match(log *decode.Log, dst []int32) []int32 {
	n.log = log
	n.number++
	for i, holds := range n.rules {
		if holds(n) {
			dst = append(dst, int32(i))
		}
	}
	return dst
}

func (n *naive) text(id decode.FieldID) []byte {
	if n.stamp[id] != n.number {
		n.stamp[id] = n.number
		n.lower[id] = n.lower[id][:0]
		for _, c := range n.log.Value(id).Text {
			if c-'A' < 26 {
				c |= 0x20
			}
			n.lower[id] = append(n.lower[id], c)
		}
	}
	return n.lower[id]
}

func naiveTest(q rule.Query, fields *decode.Fields) test {
	all := func(qs []rule.Query) (ts []test) {
		for _, q := range qs {
			ts = append(ts, naiveTest(q, fields))
		}
		return ts
	}
	switch q := q.(type) {
	case *rule.And:
		of := all(q.Of)
		return func(n *naive) bool {
			for _, t := range of {
				if !t(n) {
					return false
				}
			}
			return true
		}
	case *rule.Or:
		of := all(q.Of)
		return func(n *naive) bool {
			for _, t := range of {
				if t(n) {
					return true
				}
			}
			return false
		}
	case *rule.Not:
		of := naiveTest(q.Of, fields)
		return func(n *naive) bool { return !of(n) }
	}
	l := q.(*rule.Leaf)
	// the field "" is the message: these logs have one, and no stack trace
	id, _ := fields.ID(l.Field)
	text := []byte(strings.ToLower(l.Text))
	switch l.Op {
	case rule.OpContains:
		return func(n *naive) bool { return bytes.Contains(n.text(id), text) }
	case rule.OpPrefix:
		return func(n *naive) bool { return bytes.HasPrefix(n.text(id), text) }
	case rule.OpSuffix:
		return func(n *naive) bool { return bytes.HasSuffix(n.text(id), text) }
	case rule.OpEqual:
		return func(n *naive) bool {
			return n.log.Value(id).Kind > decode.Null && bytes.Equal(n.text(id), text)
		}
	case rule.OpExists:
		return func(n *naive) bool { return n.log.Value(id).Kind > decode.Null }
	case rule.OpRegexp:
		return func(n *naive) bool { return l.Regexp.Match(n.log.Value(id).Text) }
	case rule.OpLevel:
		return func(n *naive) bool { return l.Range.Contains(float64(n.log.Severity())) }
	case rule.OpRange:
		return func(n *naive) bool {
			v, ok := number.Parse(n.log.Value(id).Text)
			return ok && l.Range.Contains(v)
		}
	}
	panic(fmt.Sprintf("operator %d is not part of the workload", l.Op))
}
