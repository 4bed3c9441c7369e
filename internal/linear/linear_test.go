package linear

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

type recorder struct{ errors, logs []string }

func (*recorder) Helper() {}
func (r *recorder) Logf(format string, args ...any) {
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// Work in proportion to the square of the input breaks the law, and linear work does not.
func TestLaw(t *testing.T) {
	l := Law{Size: 8 << 10, Enough: time.Millisecond}
	shapes := []Shape{{"<", "ab", ">"}}
	var sum int
	f := func(work func(text string), broken int) {
		t.Helper()
		r := &recorder{}
		l.Check(r, "work", shapes, work)
		if len(r.errors) != broken {
			t.Errorf("%d errors, want %d: %q", len(r.errors), broken, r.errors)
		}
	}
	f(func(text string) {
		for i := range text {
			for _, c := range text[i/8*8 : min(len(text), i/8*8+64)] {
				sum += int(c)
			}
		}
	}, 0)
	f(func(text string) {
		for i := range len(text) / 8 {
			for _, c := range text[i:] {
				sum += int(c)
			}
		}
	}, 1)
}

// A report says the largest ratio, and of which shape.
func TestReport(t *testing.T) {
	t.Setenv("LINEAR_REPORT", "1")
	r := &recorder{}
	sum := 0
	Law{Size: 2 << 10}.Check(r, "work", []Shape{{"", "a", ""}, {"", "b", ""}}, func(text string) {
		for i := range text {
			sum += i
			for j := 0; text[0] == 'b' && j < len(text)/8; j++ {
				sum += j
			}
		}
	})
	var ratio float64
	var shapes int
	if _, err := fmt.Sscanf(strings.Join(r.logs, ""), `ratio %f | work | %d | "" + "b" ... + ""`, &ratio,
		&shapes); err != nil || shapes != 2 || ratio < 6 {
		t.Errorf("%q: %v", r.logs, err)
	}
}

func TestShapeText(t *testing.T) {
	s := Shape{"(", "ab", ")"}
	if got := s.Text(7); got != "(ababab)" {
		t.Error(got)
	}
	s = Shape{"(", "a" + N + ",", ")"}
	if got := s.Text(3 * len(s.Part)); got != "(a0,a1,a2,)" {
		t.Error(got)
	}
	if got := len(Shapes([]string{"", "x"}, []string{"a", "b"}, "z")); got != 8 {
		t.Errorf("%d shapes", got)
	}
}
