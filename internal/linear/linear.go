// Package linear holds the law that work takes time in proportion to its input, whatever is
// repeated in it. It is for tests: one hostile text must not stop the engine.
//
// An input is a prefix, a part that is repeated, and a suffix. The law compares an input with one
// of four times its size, by the processor time of the thread, so other processes hardly disturb
// it. It is broken when the larger one takes more than six times as long, and more than Enough,
// which no linear work needs, in each of a dozen measurements. LINEAR_FACTOR=8 makes inputs larger,
// and finds what costs little for each byte and still is quadratic. LINEAR_REPORT=1 has each law
// say the largest ratio of the two times; scripts/linear.sh makes a table of them.
package linear

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Shape is what inputs of any size are made of. Each N of the part is the number of its repetition.
type Shape struct{ Prefix, Part, Suffix string }

// N stands for the number of a repetition.
const N = "⟨n⟩"

// Text is an input of about so many bytes.
func (s Shape) Text(size int) string {
	times := max(1, size/len(s.Part))
	if !strings.Contains(s.Part, N) {
		return s.Prefix + strings.Repeat(s.Part, times) + s.Suffix
	}
	var b strings.Builder
	b.WriteString(s.Prefix)
	for n := range times {
		b.WriteString(strings.ReplaceAll(s.Part, N, strconv.Itoa(n)))
	}
	b.WriteString(s.Suffix)
	return b.String()
}

func (s Shape) String() string {
	return fmt.Sprintf("%q + %q ... + %q", clip(s.Prefix), clip(s.Part), clip(s.Suffix))
}

func clip(s string) string { return s[:min(len(s), 60)] }

// Shapes are all combinations of prefixes and parts, each with and without a suffix.
func Shapes(prefixes, parts []string, suffix string) (list []Shape) {
	for _, p := range prefixes {
		for _, part := range parts {
			list = append(list, Shape{p, part, ""})
			if suffix != "" {
				list = append(list, Shape{p, part, suffix})
			}
		}
	}
	return list
}

// Law is the size of the larger input, and the time that linear work on it does not need, on any
// machine.
type Law struct {
	Size   int           // bytes; 64 KiB for 0
	Enough time.Duration // 50 ms for 0
}

// T is the part of testing.T that is used.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// maxStack is what a stack has at most during a check: less than a frame for each of the bytes.
const maxStack = 4 << 20

// Check fails the test for each shape on which work breaks the law. Work runs on the thread that
// calls it, and on no other goroutine.
func (l Law) Check(t T, name string, shapes []Shape, work func(text string)) {
	t.Helper()
	report := NewReport(name)
	for _, s := range shapes {
		report.Add(s.String(), func(whole bool) func() {
			size := l.size() / 4
			if whole {
				size = l.size()
			}
			text := s.Text(size)
			return func() { work(text) }
		})
		if small, large, broken := l.Breaks(
			func(size int) func() { text := s.Text(size); return func() { work(text) } },
		); broken {
			t.Errorf("%s of %v: a quarter %v, all %v", name, s, small, large)
		}
	}
	report.Log(t)
}

func (l Law) size() int {
	if l.Size == 0 {
		return 64 << 10
	}
	return l.Size
}

// Breaks measures work that is prepared for two sizes. It returns the times of a quarter and of the
// whole, and whether they break the law.
func (l Law) Breaks(prepare func(size int) func()) (small, large time.Duration, broken bool) {
	size, enough := l.size(), l.Enough
	if enough == 0 {
		enough = 50 * time.Millisecond
	}
	if factor, err := strconv.Atoi(os.Getenv("LINEAR_FACTOR")); err == nil && factor > 1 {
		size, enough = size*factor, enough*time.Duration(factor)
	}
	quarter, whole := prepare(size/4), prepare(size)
	// Work whose depth is in proportion to its input dies here, as it would of a larger input.
	defer debug.SetMaxStack(debug.SetMaxStack(maxStack))
	if large = took(whole); large <= enough {
		return 0, large, false
	}
	small = took(quarter)
	for range 12 {
		if large <= max(6*small, enough) {
			return small, large, false
		}
		small, large = max(small, took(quarter)), min(large, took(whole))
	}
	return small, large, large > max(6*small, enough)
}

// took is the processor time of work.
func took(work func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := ThreadTime()
	work()
	return ThreadTime() - begin
}
