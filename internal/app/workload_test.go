package app

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

var opening = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)

// Two demos with the same seed show the same logs, however often they are asked.
func TestShopIsDeterministic(t *testing.T) {
	a, b := NewWorkload(7, opening, 100), NewWorkload(7, opening, 100)
	all := a.Until(opening.Add(10 * time.Second))
	var parts []WorkloadLog
	for at := opening; !at.After(opening.Add(10 * time.Second)); at = at.Add(
		37 * time.Millisecond) {
		parts = append(parts, b.Until(at)...)
	}
	parts = append(parts, b.Until(opening.Add(10*time.Second))...)
	if !slices.EqualFunc(all, parts, same) {
		t.Error("asked in small steps, the shop shows other logs")
	}
	if slices.EqualFunc(all, NewWorkload(8, opening, 100).Until(opening.Add(10*time.Second)),
		same) {
		t.Error("another seed shows the same logs")
	}
}

func same(a, b WorkloadLog) bool {
	return a.Time.Equal(b.Time) && a.Service == b.Service && a.Pod == b.Pod &&
		bytes.Equal(a.Value, b.Value)
}

// The demo writes as much as I ask for, in the order in which it happens.
func TestShopRate(t *testing.T) {
	logs := NewWorkload(1, opening, 300).Until(opening.Add(time.Minute))
	ordinary := slices.DeleteFunc(slices.Clone(logs), func(l WorkloadLog) bool {
		return trouble(l)
	})
	if n := len(ordinary); n < 17_000 || n > 19_000 {
		t.Errorf("%d ordinary logs in a minute at 300 a second", n)
	}
	if !slices.IsSortedFunc(logs, func(a, b WorkloadLog) int { return a.Time.Compare(b.Time) }) {
		t.Error("logs are not in order")
	}
}

func trouble(l WorkloadLog) bool {
	return slices.ContainsFunc(
		[]string{
			`"error"`,
			"connection refused",
			"checkout completed slowly",
			"login_failed",
			`HTTP/1.1" 50`,
		},
		func(s string) bool { return bytes.Contains(l.Value, []byte(s)) },
	)
}

// The first trouble begins within seconds, more follows about every minute, each is followed by
// quiet, and all comes again.
func TestShopIncidents(t *testing.T) {
	var got []string
	last := map[string]time.Duration{}
	for _, l := range NewWorkload(1, opening, 50).Until(opening.Add(round + 20*time.Second)) {
		if !trouble(l) {
			continue
		}
		at := l.Time.Sub(opening)
		if before, ok := last[l.Service]; !ok || at-before > 20*time.Second {
			got = append(got, at.Truncate(time.Second).String()+" "+l.Service)
		}
		last[l.Service] = at
	}
	want := "2s payment-service, 50s order-service, 1m45s checkout-service, 2m40s auth-service, " +
		"3m25s storefront, 4m2s payment-service"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("scenarios begin at\n%s, want\n%s", s, want)
	}
}

// Whatever the shop writes is understood: who wrote it, when, how bad it is, and what it says.
func TestShopLogsAreUnderstood(t *testing.T) {
	fields := decode.NewFields("duration_ms", "dependency")
	d, err := decode.New(decode.Config{}, fields)
	if err != nil {
		t.Fatal(err)
	}
	formats := map[string]bool{}
	for i, l := range NewWorkload(3, opening, 20).Until(opening.Add(round)) {
		rec := l.record()
		rec.Offset = int64(i)
		understood := 0
		d.Decode(&rec, func(log *decode.Log) {
			understood++
			e := log.Entry()
			formats[log.Format()] = true
			if e.Service != l.Service || e.Message == "" ||
				e.Timestamp.Sub(l.Time).Abs() > time.Second ||
				(e.Severity == 0) != (l.Service == "storefront") {
				t.Errorf("%s\nwas read as %+v", l.Value, e)
			}
		}, func(reason decode.Reason, detail string) {
			t.Errorf("%s: %s: %s", l.Value, reason, detail)
		})
		if understood != 1 {
			t.Errorf("%s\nwas read as %d logs", l.Value, understood)
		}
		if t.Failed() {
			t.Fatal("the rest is left out")
		}
	}
	if len(formats) < 4 {
		t.Errorf("only the formats %v occur", formats)
	}
}

// In every round of the demo each of its rules fires, within seconds of the trouble, and is
// resolved before the next trouble.
func TestShopRulesFire(t *testing.T) {
	set, err := rule.Read("shop.rules.yml", shopRules)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	e := alerting.NewEngine(alerting.WithRules(set), alerting.WithEmit(func(a models.Alert) {
		if a.State == models.AlertFiring || a.State == models.AlertResolved {
			got = append(
				got,
				fmt.Sprintf("%s %s %s", a.At.Sub(opening).Truncate(5*time.Second), a.State,
					strings.TrimPrefix(a.Rule, "shop/")),
			)
		}
	}))
	scanner, shop, next := e.NewScanner(), NewWorkload(1, opening, 100), int64(0)
	for at := opening; at.Before(opening.Add(round)); at = at.Add(time.Second) {
		var records []models.Record
		for _, l := range shop.Until(at) {
			r := l.record()
			r.Offset = next
			next++
			records = append(records, r)
		}
		if len(records) > 0 {
			e.Apply(scanner.Scan(records))
		}
		e.Advance(at, []models.Progress{{Topic: demoTopic, Next: next, End: next, CaughtUp: true}})
	}
	want := []string{
		"0s firing ServiceErrors", "20s resolved ServiceErrors",
		"50s firing DependencyRefusesConnections", "50s firing ServiceErrors",
		"1m10s resolved ServiceErrors", "1m10s resolved DependencyRefusesConnections",
		"1m45s firing SlowCheckout", "2m5s resolved SlowCheckout",
		"2m40s firing PasswordGuessing", "2m55s resolved PasswordGuessing",
		"3m25s firing StorefrontFails", "3m45s resolved StorefrontFails",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
