package match

import (
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// bytesChooser makes its choices by the bytes of a fuzzer.
type bytesChooser struct{ b []byte }

func (c *bytesChooser) below(n int) int {
	if len(c.b) == 0 {
		return 0
	}
	v := int(c.b[0])
	c.b = c.b[1:]
	return v % n
}

// No record and no rules make the index disagree with Eval.
func FuzzProgram(f *testing.F) {
	f.Add(
		[]byte{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9},
		[]byte(`{"message":"connection refused","service":"payment","tags":["k",7]}`),
	)
	f.Add(
		[]byte{2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5},
		[]byte("\u212aernel panic \xff at 10.1.2.3"),
	)
	f.Fuzz(func(t *testing.T, choices, record []byte) {
		c := &bytesChooser{choices}
		var queries []rule.Query
		for range 1 + c.below(6) {
			queries = append(queries, randomQuery(c, 3))
		}
		agree(t, queries, [][]byte{record, randomLog(c)}, nil)
	})
}
