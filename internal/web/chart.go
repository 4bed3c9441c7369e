package web

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// chart is a graph as paths of an SVG. It is drawn on the server, so it needs no script.
type chart struct {
	Width, Height float64
	Line          string  // path of the value
	Area          string  // path of the area below the line
	Threshold     float64 // y; negative for none
	ThresholdText string
	Peak          float64 // y of the peak, where the line does not reach it; negative for none
	PeakText      string
	Coarse        bool   // the line has at most the values at transitions
	Bands         []band // episodes
	Ticks         []tickMark
	Rows          []tickMark
	Points        string // "x,y,time,value;..." for the tooltip
	From, To      time.Time
	Empty         bool
}

type band struct {
	X, Width float64
	Class    string
	Title    string
}

type tickMark struct {
	At   float64
	Text string
}

// plot maps times and values to coordinates.
type plot struct {
	from, to                 time.Time
	low, high                float64
	left, right, top, bottom float64
}

func (p plot) x(t time.Time) float64 {
	span := p.to.Sub(p.from)
	if span <= 0 {
		return p.left
	}
	return p.left + (p.right-p.left)*clamp(float64(t.Sub(p.from))/float64(span))
}

func (p plot) y(v float64) float64 {
	if p.high <= p.low {
		return p.bottom
	}
	return p.bottom - (p.bottom-p.top)*clamp((v-p.low)/(p.high-p.low))
}

func clamp(v float64) float64 { return math.Max(0, math.Min(1, v)) }

// path draws points; with steps a value lasts until the next one.
func (p plot) path(points []Point, steps bool) string {
	var b strings.Builder
	last := math.NaN()
	for _, point := range points {
		x, y := p.x(point.At), p.y(point.Value)
		if math.IsNaN(point.Value) {
			last = math.NaN()
			continue
		}
		switch {
		case math.IsNaN(last):
			fmt.Fprintf(&b, "M%.1f %.1f", x, y)
		case steps:
			fmt.Fprintf(&b, "H%.1fV%.1f", x, y)
		default:
			fmt.Fprintf(&b, "L%.1f %.1f", x, y)
		}
		last = y
	}
	return b.String()
}

// spark is a small graph of at most the last hour.
func spark(points []Point, now time.Time) chart {
	c := chart{Width: 120, Height: 28, Threshold: -1}
	from := now.Add(-time.Hour)
	points = since(points, from)
	if len(points) < 2 {
		c.Empty = true
		return c
	}
	if first := points[0].At; first.After(from) {
		from = first
	}
	p := plot{
		from:   from,
		to:     latest(now, points),
		left:   1,
		right:  c.Width - 1,
		top:    3,
		bottom: c.Height - 2,
	}
	p.low, p.high = bounds(points, math.NaN())
	points = append(points[:len(points):len(points)], Point{p.to, points[len(points)-1].Value})
	c.Line = p.path(points, true)
	c.Area = fmt.Sprintf("%sV%.1fH%.1fZ", c.Line, c.Height, p.x(points[0].At))
	return c
}

func latest(now time.Time, points []Point) time.Time {
	if last := points[len(points)-1].At; last.After(now) {
		return last
	}
	return now
}

// since keeps the points after a time and the last one before it.
func since(points []Point, from time.Time) []Point {
	for i, p := range points {
		if p.At.After(from) {
			return points[max(i-1, 0):]
		}
	}
	return points[max(len(points)-1, 0):]
}

// bounds are the minimum and maximum of the values and the threshold; the minimum is at most zero.
func bounds(points []Point, threshold float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	see := func(v float64) {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = math.Min(low, v), math.Max(high, v)
		}
	}
	see(threshold)
	for _, p := range points {
		see(p.Value)
	}
	if math.IsInf(low, 1) {
		return 0, 1
	}
	if low > 0 {
		low = 0
	}
	if high == low {
		high = low + 1
	}
	return low, high + (high-low)*0.08
}

var thresholdNumber = regexp.MustCompile(
	`^\s*(?:>=|<=|==|!=|>|<)?\s*(-?[0-9.]+(?:e[+-]?[0-9]+)?)\s*(%?)`,
)

// thresholdValue is the number of a threshold such as "> 10"; NaN without one.
func thresholdValue(text string) float64 {
	m := thresholdNumber.FindStringSubmatch(text)
	if m == nil {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return math.NaN()
	}
	if m[2] == "%" {
		v /= 100
	}
	return v
}

// alertChart is the graph of an alert: value, threshold, and the times it was pending and firing.
func alertChart(d alertDetail, now time.Time) chart {
	c := chart{Width: 960, Height: 240, Threshold: -1, Peak: -1}
	points := d.Series
	if c.Coarse = len(points) == 0; c.Coarse {
		for _, a := range d.Transitions {
			points = append(points, Point{a.At, a.Value})
		}
	}
	if len(points) == 0 {
		c.Empty = true
		return c
	}
	from, end := chartRange(d, now, points)
	points = since(points, from)
	threshold := thresholdValue(d.Alert.Threshold)
	p := plot{from: from, to: end, left: 52, right: c.Width - 12, top: 14, bottom: c.Height - 26}
	peak := d.Values.Peak
	p.low, p.high = bounds(append(slices.Clone(points), Point{from, peak}), threshold)
	reached := slices.ContainsFunc(points, func(p Point) bool { return p.Value == peak })
	if c.Coarse && !reached && !math.IsNaN(peak) && !math.IsInf(peak, 0) {
		c.Peak, c.PeakText = p.y(peak), "peak "+humanValue(peak, d.Alert.Threshold)
	}
	if d.Alert.State != models.AlertResolved {
		points = append(points[:len(points):len(points)], Point{end, d.Values.Now})
	}
	c.From, c.To = from, end
	c.Line = p.path(points, true)
	c.Area = fmt.Sprintf("%sV%.1fH%.1fZ", c.Line, p.bottom, p.x(points[0].At))
	if !math.IsNaN(threshold) {
		c.Threshold, c.ThresholdText = p.y(threshold), d.Alert.Threshold
	}
	c.Bands = p.bands(d.Transitions, end)
	c.Ticks, c.Rows = p.timeTicks(7), p.valueTicks(4)
	c.Points = p.readings(points)
	return c
}

// chartRange is the time range of an alert's graph: the episode, with some time before and after.
func chartRange(d alertDetail, now time.Time, points []Point) (from, end time.Time) {
	end = now
	start := d.Alert.StartsAt
	if start.IsZero() {
		start = points[0].At
	}
	if d.Alert.State == models.AlertResolved {
		margin := min(max(d.Alert.At.Sub(start)/4, 30*time.Second), time.Hour)
		if after := d.Alert.At.Add(margin); after.Before(end) {
			end = after
		}
	}
	end = latest(end, points)
	margin := min(max(end.Sub(start)/4, 30*time.Second), time.Hour)
	from = start.Add(-margin)
	if first := points[0].At.Add(-margin / 8); first.After(from) {
		from = first // there is nothing to show before
	}
	return from, end
}

// bands are the times an alert was pending or firing.
func (p plot) bands(transitions []models.Alert, end time.Time) []band {
	var list []band
	for i, a := range transitions {
		until := end
		if i+1 < len(transitions) {
			until = transitions[i+1].At
		}
		if a.State == models.AlertResolved || until.Before(p.from) {
			continue
		}
		list = append(list, p.band(a.At, until, string(a.State),
			fmt.Sprintf("%s since %s", a.State, a.At.UTC().Format("15:04:05"))))
	}
	return list
}

// leastBand is the width of a band that can be seen.
const leastBand = 3

// band is the band of a time range, within the plot and wide enough to be seen.
func (p plot) band(from, to time.Time, class, title string) band {
	x := min(p.x(from), p.right-leastBand)
	return band{x, max(leastBand, p.x(to)-x), class, title}
}

var steps = []time.Duration{
	time.Second,
	2 * time.Second,
	5 * time.Second,
	10 * time.Second,
	15 * time.Second,
	30 * time.Second,
	time.Minute,
	2 * time.Minute,
	5 * time.Minute,
	10 * time.Minute,
	15 * time.Minute,
	30 * time.Minute,
	time.Hour,
	2 * time.Hour,
	3 * time.Hour,
	6 * time.Hour,
	12 * time.Hour,
	24 * time.Hour,
	48 * time.Hour,
	7 * 24 * time.Hour,
}

// timeTicks are at most so many round times.
func (p plot) timeTicks(most int) []tickMark {
	span := p.to.Sub(p.from)
	step := steps[len(steps)-1]
	for _, s := range steps {
		if span/s <= time.Duration(most) {
			step = s
			break
		}
	}
	layout := "15:04:05"
	switch {
	case step >= 24*time.Hour:
		layout = "2 Jan"
	case step >= time.Minute:
		layout = "15:04"
	}
	var list []tickMark
	for t := p.from.Truncate(step).Add(step); t.Before(p.to) && len(list) < 40; t = t.Add(step) {
		if x := p.x(t); x > p.left+16 && x < p.right-16 {
			list = append(list, tickMark{x, t.UTC().Format(layout)})
		}
	}
	return list
}

// valueTicks are round values.
func (p plot) valueTicks(most int) []tickMark {
	var list []tickMark
	for _, v := range p.roundValues(most) {
		list = append(list, tickMark{p.y(v), humanFloat(v)})
	}
	return list
}

// roundValues are about so many round values.
func (p plot) roundValues(most int) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((p.high-p.low)/float64(most))))
	for _, m := range []float64{1, 2, 5, 10} {
		if (p.high-p.low)/(step*m) <= float64(most) {
			step *= m
			break
		}
	}
	var list []float64
	for v := math.Ceil(p.low/step) * step; v <= p.high && len(list) < 20; v += step {
		list = append(list, v)
	}
	return list
}

// readings are the points for the tooltip.
func (p plot) readings(points []Point) string {
	every := max(1, len(points)/400)
	var b strings.Builder
	for i := 0; i < len(points); i += every {
		if v := points[i]; !math.IsNaN(v.Value) {
			fmt.Fprintf(&b, "%.1f,%.1f,%s,%s;", p.x(v.At), p.y(v.Value),
				v.At.UTC().Format("15:04:05"), humanFloat(v.Value))
		}
	}
	return b.String()
}
