package web

import (
	"math"
)

// barChart is how often what happened, as bars that a template draws.
type barChart struct {
	Width, Height float64
	Base          float64 // y on which the bars stand
	Bars          []bar
	Ticks         []tickMark
	Mark          float64 // x of the line of a threshold; negative when there is none
	MarkText      string
	Empty         bool
}

// bar is one of them.
type bar struct {
	Name       string // below it, when there is room
	N          int64
	Title      string
	Class      string
	X, Y, W, H float64
}

// newBarChart gives each bar its place. Heights go by the square root, so that what is rare is seen
// beside what is common: of a distribution, the tail is what matters.
func newBarChart(bars []bar) barChart {
	c := barChart{Width: 480, Height: 132, Base: 110, Mark: -1, Bars: bars, Empty: len(bars) == 0}
	most := int64(1)
	for _, b := range bars {
		most = max(most, b.N)
	}
	const top = 14
	step := (c.Width - 2) / float64(max(len(bars), 1))
	for i := range bars {
		b := &bars[i]
		b.X, b.W = 1+float64(i)*step+1, math.Max(step-2, 1)
		if b.N > 0 {
			b.H = math.Max((c.Base-top)*math.Sqrt(float64(b.N)/float64(most)), 2)
		}
		b.Y = c.Base - b.H
		if b.Name != "" {
			c.Ticks = append(c.Ticks, tickMark{b.X + b.W/2, b.Name})
		}
	}
	return c
}
