package ruletest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	window    = 5 * time.Minute
	lateness  = 10 * time.Second
	threshold = 10
)

// counter is the smallest engine that is worth a test: more than ten errors of a service within
// five minutes. Its flaws are those that tests must find.
type counter struct {
	emit    func(models.Alert)
	state   map[string]*counted
	newest  time.Time
	byClock bool // counts at the time of arrival: the flaw of engines without event time
	forgets bool // restores nothing
	now     time.Time
}

type counted struct {
	Times    []time.Time
	Up       *models.Alert
	Episodes int64
}

func counting(flaw func(*counter)) Factory {
	return Factory{
		Lateness: lateness,
		New: func(emit func(models.Alert)) (Engine, error) {
			c := &counter{emit: emit, state: map[string]*counted{}}
			flaw(c)
			return c, nil
		},
	}
}

func sound(*counter) {}

type countedScan struct {
	logs     []models.LogEntry
	rejected []models.Rejection
}

func (s *countedScan) Logs() int                    { return len(s.logs) }
func (s *countedScan) Rejected() []models.Rejection { return s.rejected }

type scanner struct{ d *decode.Decoder }

func (c *counter) NewScanner() models.Scanner {
	d, err := decode.New(decode.Config{}, decode.NewFields())
	if err != nil {
		panic(err)
	}
	return scanner{d}
}

func (s scanner) Scan(records []models.Record) models.Scan {
	scan := &countedScan{}
	for i := range records {
		s.d.Decode(
			&records[i],
			func(l *decode.Log) { scan.logs = append(scan.logs, l.Entry()) },
			func(reason decode.Reason, detail string) {
				scan.rejected = append(
					scan.rejected,
					models.Rejection{Record: i, Reason: string(reason), Detail: detail},
				)
			},
		)
	}
	return scan
}

func (c *counter) Apply(scan models.Scan) {
	for _, l := range scan.(*countedScan).logs {
		at := l.Timestamp
		if c.byClock {
			at = c.now
		}
		if at.After(c.newest) {
			c.newest = at
			c.close(at.Add(-lateness)) // logs of many hours may be applied at once
		}
		if l.Level != "ERROR" {
			continue
		}
		g := c.state[l.Service]
		if g == nil {
			g = &counted{}
			c.state[l.Service] = g
		}
		g.Times = append(g.Times, at)
		slices.SortFunc(g.Times, time.Time.Compare)
		c.fire(l, g)
	}
}

// close resolves what has ended at the watermark.
func (c *counter) close(watermark time.Time) {
	for _, service := range slices.Sorted(maps.Keys(c.state)) {
		g := c.state[service]
		if g.Up == nil {
			continue
		}
		if end := g.Times[len(g.Times)-1-threshold].Add(window); !end.After(watermark) {
			resolved := *g.Up
			resolved.State, resolved.At, resolved.EndsAt, resolved.Reason = models.AlertResolved,
				end, end, "10 in 5m"
			g.Up, g.Times = nil, nil
			c.emit(resolved)
		}
	}
}

func (c *counter) fire(l models.LogEntry, g *counted) {
	for i := threshold; i < len(g.Times) && g.Up == nil; i++ {
		if g.Times[i].Sub(g.Times[i-threshold]) >= window {
			continue
		}
		g.Episodes++
		g.Up = &models.Alert{
			ID:          fmt.Sprint(l.Service, g.Episodes),
			Rule:        "shop/Errors",
			Episode:     g.Episodes,
			State:       models.AlertFiring,
			Reason:      "11 > 10 in 5m",
			Labels:      map[string]string{"alertname": "Errors", "service": l.Service},
			Annotations: map[string]string{"summary": "11 errors of " + l.Service},
			Value:       threshold + 1,
			At:          g.Times[i],
			StartsAt:    g.Times[i],
			First:       []models.Line{{Message: l.Message}},
		}
		c.emit(*g.Up)
	}
}

func (c *counter) Advance(now time.Time, progress []models.Progress) {
	c.now = now
	watermark := now.Add(-lateness)
	for _, p := range progress {
		if !p.CaughtUp {
			watermark = c.newest.Add(-lateness)
		}
	}
	c.close(watermark)
}

func (c *counter) Save(_ bool, put func(key, value []byte), _ func(key []byte)) {
	for service, g := range c.state {
		value, err := json.Marshal(g)
		if err != nil {
			panic(err)
		}
		put([]byte(service), value)
	}
}

func (c *counter) Restore(load func(each func(key, value []byte) error) error) error {
	return load(func(key, value []byte) error {
		if c.forgets {
			return nil
		}
		g := &counted{}
		c.state[string(key)] = g
		return json.Unmarshal(value, g)
	})
}
