package linear

import (
	"os"
	"time"
)

// Report is what LINEAR_REPORT has a law say: how many shapes were tried, and the largest ratio of
// the time at the whole size to that at a quarter. Linear work has 4.
type Report struct {
	name   string
	shapes int
	ratio  float64
	shape  string
}

// NewReport is the report of a law; nil, which does nothing, when none is wanted.
func NewReport(name string) *Report {
	if os.Getenv("LINEAR_REPORT") == "" {
		return nil
	}
	return &Report{name: name}
}

// Add measures one more shape.
func (r *Report) Add(shape string, prepare func(whole bool) func()) {
	if r == nil {
		return
	}
	r.shapes++
	if ratio := ratioOf(prepare(false), prepare(true)); ratio > r.ratio {
		r.ratio, r.shape = ratio, shape
	}
}

// Log writes the report.
func (r *Report) Log(t T) {
	if r != nil && r.shapes > 0 {
		t.Logf("ratio %.1f | %s | %d | %s", r.ratio, r.name, r.shapes, r.shape)
	}
}

const (
	shortest   = 50 * time.Microsecond // that is measured; work that takes less is repeated
	patience   = 20                    // measurements of what seems to be more than linear
	suspicious = 5
)

// ratioOf is the smallest time of a whole divided by that of a quarter. Whatever disturbs a
// measurement makes it longer.
func ratioOf(quarter, whole func()) float64 {
	times := 1
	for took(repeated(quarter, times)) < shortest && times < 1<<12 {
		times *= 2
	}
	small, large := took(repeated(quarter, times)), took(repeated(whole, times))
	for n := 0; n < 2 || n < patience && float64(large) > suspicious*float64(small); n++ {
		small = min(small, took(repeated(quarter, times)))
		large = min(large, took(repeated(whole, times)))
	}
	return float64(large) / float64(max(small, 1))
}

func repeated(work func(), times int) func() {
	return func() {
		for range times {
			work()
		}
	}
}
