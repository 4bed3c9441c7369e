package web

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A chart shows the value as steps, the threshold, and the times of pending and firing.
func TestAlertChart(t *testing.T) {
	at := func(s int) time.Time { return noon.Add(time.Duration(s-100) * time.Second) }
	d := alertDetail{
		Alert: models.Alert{State: models.AlertFiring, Threshold: "> 10"},
		Transitions: []models.Alert{
			{State: models.AlertPending, At: at(50)},
			{State: models.AlertFiring, At: at(60)},
		},
		Series: []Point{{at(0), 0}, {at(50), 20}, {at(100), 10}},
	}
	c := alertChart(d, noon)
	if c.Empty || !strings.HasPrefix(c.Line, "M") || strings.Count(c.Line, "V") != 3 ||
		c.ThresholdText != "> 10" {
		t.Errorf("the chart is %+v", c)
	}
	if c.Threshold < 14 || c.Threshold > 214 {
		t.Errorf("the threshold is at %v", c.Threshold)
	}
	if len(c.Bands) != 2 || c.Bands[0].Class != "pending" || c.Bands[1].Class != "firing" ||
		c.Bands[1].X+c.Bands[1].Width < 940 {
		t.Errorf("the bands are %+v", c.Bands)
	}
	if len(c.Ticks) < 3 || len(c.Rows) < 2 {
		t.Errorf("there are %d and %d ticks", len(c.Ticks), len(c.Rows))
	}
	d.Series = nil
	if c := alertChart(d, noon); c.Empty {
		t.Error("without a series the transitions make no chart")
	}
	// of an alert that has ended the peak is known, and not when it was
	d.Values.Peak = 500
	if c := alertChart(d, noon); c.PeakText != "peak 500" || c.Peak < 14 || c.Peak > 60 ||
		!c.Coarse || c.Threshold < 200 {
		t.Errorf("with a peak beyond the transitions the chart is %+v", c)
	}
	if c := alertChart(alertDetail{}, noon); !c.Empty {
		t.Error("nothing makes a chart")
	}
}

// NaN, equal and infinite values do not break a chart.
func TestOddCharts(t *testing.T) {
	for _, values := range [][]float64{
		{math.NaN(), math.NaN()}, {0, 0}, {5, 5}, {math.Inf(1), 1}, {-5, -1}, {1e300, -1e300},
		{1, math.NaN(), 2},
	} {
		var points []Point
		for i, v := range values {
			points = append(points, Point{noon.Add(time.Duration(i) * time.Minute), v})
		}
		for _, c := range []chart{
			spark(points, noon.Add(time.Hour)),
			alertChart(alertDetail{Series: points, Alert: models.Alert{Threshold: "> 1"}},
				noon.Add(time.Hour)),
		} {
			if text := c.Line + c.Area; strings.Contains(text, "NaN") ||
				strings.Contains(text, "Inf") {
				t.Errorf("%v draws %s", values, text)
			}
		}
	}
}

// What happened a moment ago, and for a moment, can be seen in a chart of a day.
func TestShortBands(t *testing.T) {
	p := plot{from: noon.Add(-24 * time.Hour), to: noon, right: 960}
	b := p.band(noon.Add(-time.Second), noon, "", "")
	if b.Width < leastBand || b.X+b.Width > p.right {
		t.Errorf("the band is %+v", b)
	}
}

// The number of a threshold is parsed from its text.
func TestThreshold(t *testing.T) {
	f := func(text string, want float64) {
		t.Helper()
		if got := thresholdValue(text); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%q is %v, not %v", text, got, want)
		}
	}
	f("> 10", 10)
	f(">= 1.5", 1.5)
	f("> 5%", 0.05)
	f("== 0", 0)
	f("10", 10)
	f("", math.NaN())
	f("3 * baseline(count())", 3)
	f("any match", math.NaN())
}
