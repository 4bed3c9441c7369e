package web

import (
	"math"
)

// barChart is a histogram.
type barChart struct {
	Width, Height float64
	Base          float64 // y of the bottom of the bars
	Bars          []bar
	Ticks         []tickMark
	Mark          float64 // x of the threshold line; negative for none
	MarkText      string
	Empty         bool
}

// bar is a bar of a histogram.
type bar struct {
	Name       string // label below the bar
	N          int64
	Title      string
	Class      string
	X, Y, W, H float64
}

// newBarChart places the bars. The scale is the square root, so that rare values stay visible.
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
