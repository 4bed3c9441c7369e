package web

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// evaluated is a backtest of some records by the real engine.
func evaluated(records []models.Record) Backtest {
	return func(_ context.Context, set *rule.Set, _ time.Time, values []string) (BacktestResult,
		error) {
		result := BacktestResult{
			From:   noon.Add(-time.Minute),
			To:     noon,
			Values: map[string][]float64{},
		}
		noted := alerting.NewValues(values...)
		e := alerting.NewEngine(
			alerting.WithRules(set),
			alerting.WithValues(noted),
			alerting.WithEmit(func(a models.Alert) { result.Alerts = append(result.Alerts, a) }),
		)
		e.Apply(e.NewScanner().Scan(records))
		e.Advance(
			noon,
			[]models.Progress{
				{
					Topic:    "logs",
					Next:     int64(len(records)),
					End:      int64(len(records)),
					CaughtUp: true,
				},
			},
		)
		for _, id := range values {
			result.Values[id] = noted.Of(id)
		}
		return result, nil
	}
}

// The editor shows the number of alerts of other thresholds, and the histogram of values.
func TestThresholds(t *testing.T) {
	f, o := newFake(t)
	o.Backtest = evaluated(f.records)
	s := newServer(t, o)
	_, _, body := post(t, s, "/rules/backtest", "rule", "payments/PaymentErrors")
	for _, want := range []string{
		"<b>1 alert</b> in the last", "<h3>payments/PaymentErrors",
		`type="range" min="0" max="14" step="1" value="6"`,
		`data-when="count() &gt; 10" data-number="10" data-op="&gt;" data-line="6"`,
		"10: 1 alert in 1 group</output>", `{&#34;text&#34;:&#34;20&#34;,&#34;at&#34;:299.8,` +
			`&#34;alerts&#34;:1,&#34;groups&#34;:1},{&#34;text&#34;:&#34;30&#34;,` +
			`&#34;at&#34;:449.1,&#34;alerts&#34;:0,&#34;groups&#34;:0}`,
		"<title>from 30: 1</title>", `class="bar over"`, `<line class="threshold"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	if strings.Contains(body, "PaymentErrors 0") {
		t.Error("a variant is listed as a rule")
	}
}

// Thresholds are varied if a condition compares an aggregate with a number; units are kept.
func TestVary(t *testing.T) {
	f := func(when, want string) {
		t.Helper()
		set, err := rule.Read(
			"x",
			[]byte(
				"version: 1\ngroups:\n  - name: g\n    rules:\n      - alert: A\n        match: "+
					"'a:*'\n        when: '"+when+"'\n",
			),
		)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if varied := vary(set.Rules[0]); varied != nil {
			for i, n := range varied.numbers {
				got = append(got, n.Text)
				if i > 0 && n.Value <= varied.numbers[i-1].Value {
					t.Errorf("%s: %s comes after %s", when, n.Text, varied.numbers[i-1].Text)
				}
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s is varied by %q, not %q", when, text, want)
		}
	}
	f("count() > 10", "1 2 3 5 7 9 10 12 15 20 30 40 50 70 100")
	f("count() > 0", "0 1 2 3 5 7 10 15 20 30 50 70 100")
	f(
		"p99(a) >= 250ms",
		"25ms 37.5ms 50ms 75ms 125ms 175ms 212ms 250ms 300ms 375ms 500ms 750ms 1000ms 1250ms "+
			"1750ms 2500ms",
	)
	f("avg(a) < 1.5", "0.15 0.225 0.3 0.45 0.75 1.05 1.27 1.5 1.8 2.25 3 4.5 6 7.5 10.5 15")
	f("count() > 10 and sum(a) > 3", "")
	f("count() == 0", "")
	f("count() / 2 > 10", "")
}

// A histogram contains all values and the threshold.
func TestValueChart(t *testing.T) {
	f := func(values []float64, threshold float64) {
		t.Helper()
		c, x := valueChart(values, ">", threshold)
		n := int64(0)
		for _, b := range c.Bars {
			if n += b.N; b.X < 0 || b.X+b.W > c.Width || b.Y < 0 || b.H < 0 {
				t.Errorf("a bar is out of place: %+v", b)
			}
		}
		if int(n) != len(values) || c.Mark < 0 || c.Mark > c.Width || len(c.Bars) > maxBars+1 ||
			x(threshold) != c.Mark {
			t.Errorf("%v, %v: %+v", values, threshold, c)
		}
	}
	f([]float64{0}, 0)
	f([]float64{1, 2, 3}, 1000)
	f([]float64{-5, 2.5, 1e12}, 0.1)
	f([]float64{7, 7, 7}, -3)
	if c, _ := valueChart(nil, ">", 1); !c.Empty {
		t.Error("no values make a chart")
	}
	if c, _ := valueChart([]float64{1}, ">", math.NaN()); c.Mark >= 0 {
		t.Error("no threshold makes a line")
	}
}
