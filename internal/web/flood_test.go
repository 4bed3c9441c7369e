package web

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Pages and lists stay usable with a hundred thousand alerts. FLOOD=1 prints the figures.
func TestFloodOfAlerts(t *testing.T) {
	if os.Getenv("FLOOD") == "" {
		t.Skip("takes long on small machines; set FLOOD=1")
	}
	f, o := newFake(t)
	f.series, f.deliveries = map[string][]Point{}, map[string][]Delivery{}
	one := f.current[0]
	for i := range 100_000 {
		a := one
		a.ID, a.Labels = fmt.Sprint("f", i), maps.Clone(one.Labels)
		a.Labels["service"] = fmt.Sprint("service-", i)
		f.current = append(f.current, a)
	}
	s := newServer(t, o)
	for _, path := range []string{
		"/", "/?open=firing+payments/PaymentErrors", "/?filter=service:service-77777", "/rules",
		"/?groupby=service", "/silences", "/alerts/f777", "/login", "/engine", "/api/v1/alerts",
	} {
		began := time.Now()
		code, body := do(s, "GET", path, "", "Accept", "text/html")
		first := time.Since(began)
		began = time.Now()
		do(s, "GET", path, "", "Accept", "text/html")
		t.Logf("%s: %d, %d kB, %v, then %v", path, code, len(body)/1000,
			first.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
}

// A page lists some of very many groups, and details of no others are asked for.
func TestManyGroups(t *testing.T) {
	f, o := newFake(t)
	one := f.current[0]
	f.current = nil
	for i := range listedGroups + 55 {
		a := one
		a.ID, a.Labels = fmt.Sprint("f", i), maps.Clone(one.Labels)
		a.Labels["host"] = fmt.Sprint("host-", i)
		f.current = append(f.current, a)
	}
	counted := &countingAlerts{fake: f}
	o.Alerts = counted
	body := see(t, newServer(t, o), "/?groupby=host", "55 more groups")
	if n := strings.Count(body, `<section class="group`); n != listedGroups {
		t.Errorf("%d groups are listed", n)
	}
	if counted.detailed > listedGroups {
		t.Errorf("details of %d alerts are asked for", counted.detailed)
	}
}

// countingAlerts counts the alerts whose details are asked for.
type countingAlerts struct {
	*fake
	detailed int
}

func (f *countingAlerts) Detailed(list []models.Alert) []models.Alert {
	f.detailed += len(list)
	return list
}

// Many groups of many alerts show few of each, so that a change of the page is quick.
func TestManyRows(t *testing.T) {
	f, o := newFake(t)
	one := f.current[0]
	f.current = nil
	for i := range 1000 {
		a := one
		a.ID, a.Labels = fmt.Sprint("f", i), maps.Clone(one.Labels)
		a.Labels["host"], a.Labels["zone"] = fmt.Sprint("host-", i%97), fmt.Sprint("zone-", i%5)
		f.current = append(f.current, a)
	}
	s := newServer(t, o)
	rows := func(path string) int { return strings.Count(see(t, s, path), "<li class=\"row\"") }
	if n := rows("/?groupby=host"); n != 3*97 {
		t.Errorf("97 groups show %d alerts", n)
	}
	if n := rows("/?groupby=zone"); n != collapsedRows*5 {
		t.Errorf("5 groups show %d alerts", n)
	}
	if n := rows("/?groupby=zone&open=firing+zone%3Dzone-1"); n != collapsedRows*4+200 {
		t.Errorf("an open group and 4 others show %d alerts", n)
	}
}

// The alert that resolved last is shown, however many fired since.
func TestRecentlyResolvedInAFlood(t *testing.T) {
	f, o := newFake(t)
	f.current = nil
	over := f.history[0]
	over.State, over.At = models.AlertResolved, noon.Add(-time.Minute)
	over.Labels = map[string]string{"alertname": "DiskFull"}
	f.history = append(f.history, over)
	for i := range 3000 {
		a := f.history[0]
		a.ID, a.At = fmt.Sprint("f", i), noon.Add(-time.Second)
		f.history = append(f.history, a)
	}
	see(t, newServer(t, o), "/", "Recently resolved", ">DiskFull</a>")
}
