package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// A backtest also evaluates variants of a rule that differ only in their threshold, in the same run
// over the topic. The page then shows for each threshold the number of alerts it would have caused.

// maxVaried is the number of rules of a text that are varied. Each costs as much as about 15 rules.
const maxVaried = 2

// thresholds are the variants of a rule.
type thresholds struct {
	of      *rule.Rule
	op      string
	number  *rule.Number
	numbers []*rule.Number // ascending
	rules   []*rule.Rule   // as many
}

var numberAndUnit = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([^0-9.]*)$`)

// vary returns the variants of a rule whose condition compares one aggregate with a constant, or
// nil.
func vary(r *rule.Rule) *thresholds {
	b, _ := r.When.(*rule.Binary)
	if b == nil || len(r.Levels) > 0 || len(r.Sequence) > 0 || r.Record ||
		!slices.Contains([]string{">", ">=", "<", "<="}, b.Op) {
		return nil
	}
	call, _ := b.Left.(*rule.Call)
	number, _ := b.Right.(*rule.Number)
	if call == nil || number == nil ||
		!strings.HasSuffix(strings.TrimSpace(r.WhenText), number.Text) {
		return nil
	}
	parts := numberAndUnit.FindStringSubmatch(number.Text)
	if parts == nil {
		return nil
	}
	t := &thresholds{of: r, op: b.Op, number: number}
	for _, n := range around(parts[1], parts[2], number.Value) {
		one := *r
		one.Name, one.UID = fmt.Sprintf("%s %d", r.Name, len(t.rules)),
			fmt.Sprintf("%s\x00%d", r.ID(), len(t.rules))
		one.When = &rule.Binary{Op: b.Op, Left: b.Left, Right: n}
		one.Labels, one.Annotations, one.Samples, one.Top = nil, nil, rule.Samples{}, nil
		t.numbers, t.rules = append(t.numbers, n), append(t.rules, &one)
	}
	return t
}

// around are numbers from a tenth of value to ten times value, in the same unit.
func around(text, unit string, value float64) []*rule.Number {
	written, _ := strconv.ParseFloat(text, 64)
	factors, scale := []float64{
		0.1,
		0.15,
		0.2,
		0.3,
		0.5,
		0.7,
		0.85,
		1,
		1.2,
		1.5,
		2,
		3,
		4,
		5,
		7,
		10,
	}, written
	ratio := value / written
	if written == 0 {
		factors, scale, ratio = []float64{0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100}, 1, 1
	}
	whole := !strings.Contains(text, ".") && unit == ""
	var list []*rule.Number
	for _, f := range factors {
		n := f * scale
		if whole {
			n = math.Round(n)
		}
		n, _ = strconv.ParseFloat(strconv.FormatFloat(n, 'g', 3, 64), 64)
		if f == 1 && written != 0 {
			n = written // exactly
		}
		if len(list) == 0 || n*ratio > list[len(list)-1].Value {
			list = append(
				list,
				&rule.Number{Value: n * ratio, Text: strconv.FormatFloat(n, 'f', -1, 64) + unit},
			)
		}
	}
	return list
}

// stop is a position of the slider.
type stop struct {
	Text   string  `json:"text"` // the number as in the rule
	At     float64 `json:"at"`   // x in the histogram
	Alerts int     `json:"alerts"`
	Groups int     `json:"groups"`
}

// slider selects a threshold below the histogram of a rule's values.
type slider struct {
	Name  string
	Op    string
	When  string // condition as written
	Text  string // its number
	Line  int    // of the rule in the text
	Stops []stop
	Now   int // stop of the current number
}

// Data is the JSON for the script.
func (s slider) Data() (string, error) {
	text, err := json.Marshal(s.Stops)
	return string(text), err
}

// runVaried is a backtest of rules and their variants. The returned function draws the values
// and thresholds of a rule.
func (b *backtester) runVaried(
	ctx context.Context,
	w http.ResponseWriter,
	set *rule.Set,
	since time.Time,
) (BacktestResult, func(id string) (barChart, *slider), error) {
	wider := *set
	wider.Rules = slices.Clone(set.Rules)
	varied, ids := map[string]*thresholds{}, []string{}
	for _, r := range set.Rules {
		if t := vary(r); t != nil && len(varied) < maxVaried {
			varied[r.ID()], ids = t, append(ids, r.ID())
			wider.Rules = append(wider.Rules, t.rules...)
		}
	}
	result, err := b.run(ctx, w, &wider, since, ids)
	if err != nil {
		return result, nil, err
	}
	all := episodes(result.Alerts)
	return result, func(id string) (barChart, *slider) {
		t := varied[id]
		if t == nil {
			return barChart{Empty: true}, nil
		}
		chart, x := valueChart(result.Values[id], t.op, t.number.Value)
		return chart, t.slide(all, x)
	}, nil
}

// slide counts the alerts of each variant.
func (t *thresholds) slide(all map[string][]episode, x func(float64) float64) *slider {
	s := &slider{
		Name: t.of.ID(),
		Op:   t.op,
		When: strings.TrimSpace(t.of.WhenText),
		Text: t.number.Text,
		Line: t.of.Pos.Line,
	}
	for i, r := range t.rules {
		one := stop{Text: t.numbers[i].Text, At: math.Round(x(t.numbers[i].Value)*10) / 10}
		groups := map[string]bool{}
		for _, e := range all[r.ID()] {
			one.Alerts++
			groups[groupText(e.Labels)] = true
		}
		one.Groups = len(groups)
		if t.numbers[i].Text == t.number.Text {
			s.Now = i
		}
		s.Stops = append(s.Stops, one)
	}
	return s
}

// groupText identifies a group regardless of the variant's name.
func groupText(labels map[string]string) string {
	group := maps.Clone(labels)
	delete(group, "alertname")
	return labelText(group)
}

const maxBars = 30

// valueChart is the histogram of a condition's values, and a function that maps a value to its x. A
// threshold is drawn unless it is NaN.
func valueChart(values []float64, op string, threshold float64) (barChart, func(float64) float64) {
	if len(values) == 0 {
		return barChart{Empty: true, Mark: -1}, func(float64) float64 { return 0 }
	}
	low, high := slices.Min(values), slices.Max(values)
	if low > 0 {
		low = 0
	}
	if !math.IsNaN(threshold) {
		low, high = min(low, threshold), max(high, threshold)
	}
	step := (high - low) / maxBars
	if !slices.ContainsFunc(values, func(v float64) bool { return v != math.Trunc(v) }) {
		// integers: every bar covers the same number of them
		step = max(math.Ceil((high-low+1)/maxBars), 1)
	}
	if step <= 0 {
		step = 1
	}
	bars := make([]bar, int((high-low)/step)+1)
	for _, v := range values {
		bars[min(int((v-low)/step), len(bars)-1)].N++
	}
	for i := range bars {
		from := low + float64(i)*step
		bars[i].Title = fmt.Sprintf("from %s: %s", humanFloat(from), humanNumber(bars[i].N))
		if bars[i].Class = ""; !math.IsNaN(threshold) && exceeds(from, op, threshold) {
			bars[i].Class = "over"
		}
	}
	c := newBarChart(bars)
	width := c.Width - 2
	x := func(v float64) float64 { return 1 + width*clamp((v-low)/(step*float64(len(bars)))) }
	p := plot{low: low, high: low + step*float64(len(bars))}
	for _, v := range p.roundValues(6) {
		if at := x(v); at < c.Width-12 {
			c.Ticks = append(c.Ticks, tickMark{max(at, 8), humanFloat(v)})
		}
	}
	if !math.IsNaN(threshold) {
		c.Mark = x(threshold)
	}
	return c, x
}

func exceeds(v float64, op string, threshold float64) bool {
	c := cmp.Compare(v, threshold)
	return op == ">" && c > 0 || op == ">=" && c >= 0 || op == "<" && c < 0 || op == "<=" && c <= 0
}
