package web

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// engineData is the data of the engine page.
type engineData struct {
	Missing    bool
	Engine     EngineStatus
	Lag        int64
	Rejected   []models.TopValue
	Notifier   *NotifierStatus
	Recent     []Delivery // newest first
	Dead       []DeadLetter
	DeadKnown  bool
	DeadError  string
	Costly     []RuleStatus
	Checks     []checkResult
	Partitions []PartitionStatus // highest lag first
	More       int
	Done       bool // confirms a replay
	Delay      barChart
	Lateness   bool // partitions have one that follows the delays
}

const listedPartitions = 64

func (s *Server) enginePage(w http.ResponseWriter, r *http.Request) error {
	d := engineData{
		Missing:   s.state.engine == nil,
		DeadKnown: s.DeadLetters != nil,
		Done:      r.FormValue("done") == "replayed",
	}
	if s.state.engine != nil {
		d.Engine = s.state.engineStatus()
	}
	d.Partitions = slices.Clone(d.Engine.Partitions)
	for _, p := range d.Partitions {
		d.Lag += max(p.Lag, 0)
	}
	slices.SortStableFunc(d.Partitions, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(a.Topic, b.Topic),
			cmp.Compare(a.Partition, b.Partition))
	})
	if len(d.Partitions) > listedPartitions {
		d.More = len(d.Partitions) - listedPartitions
		d.Partitions = d.Partitions[:listedPartitions]
	}
	for _, reason := range slices.Sorted(maps.Keys(d.Engine.Rejected)) {
		d.Rejected = append(
			d.Rejected,
			models.TopValue{Value: reason, Count: d.Engine.Rejected[reason]},
		)
	}
	if s.Notifier != nil {
		n := s.Notifier.Status()
		d.Notifier = &n
		for i := len(n.Recent) - 1; i >= 0 && len(d.Recent) < 15; i-- {
			d.Recent = append(d.Recent, n.Recent[i])
		}
	}
	if s.DeadLetters != nil {
		var err error
		if d.Dead, err = s.DeadLetters.List(r.Context(), 20); err != nil {
			d.DeadError = err.Error()
		}
	}
	d.Lateness = slices.ContainsFunc(
		d.Partitions, func(p PartitionStatus) bool { return p.Lateness > 0 },
	)
	d.Delay = delayChart(d.Engine.Delay)
	d.Costly = s.costliest(10)
	d.Checks = s.health.results()
	v := view{Title: "Engine", Page: "engine", Data: d, MayWrite: s.access.mayWrite(r)}
	if r.Header.Get("X-Part") != "" {
		return s.pages.renderPart(w, "engine", "engine", v)
	}
	s.pages.render(w, r, http.StatusOK, "engine", v)
	return nil
}

// delayChart is the histogram of delays between a log's time and its arrival.
func delayChart(d DelayStatus) barChart {
	none := func(c DelayCount) bool { return c.Logs == 0 }
	counts := d.Counts
	for len(counts) > 0 && none(counts[0]) {
		counts = counts[1:]
	}
	for len(counts) > 0 && none(counts[len(counts)-1]) {
		counts = counts[:len(counts)-1]
	}
	var bars []bar
	for _, c := range counts {
		name := "more"
		if c.Within > 0 {
			name = duration.Format(c.Within)
		}
		bars = append(
			bars,
			bar{Name: name, N: c.Logs, Title: fmt.Sprintf("%s: %s", name, humanNumber(c.Logs))},
		)
	}
	return newBarChart(bars)
}

// Excerpt is the beginning of a record for display: text, or bytes in hexadecimal.
func Excerpt(value []byte) string {
	value = value[:min(len(value), 600)]
	if utf8.Valid(bytes.TrimRightFunc(value, func(r rune) bool { return r == utf8.RuneError })) {
		return safetext.ClipLine(string(value), 300)
	}
	return fmt.Sprintf("% x", value[:min(len(value), 60)])
}

func (s *Server) costliest(most int) []RuleStatus {
	if s.state.rules == nil {
		return nil
	}
	list := slices.DeleteFunc(
		slices.Clone(s.state.rulesStatus()),
		func(r RuleStatus) bool { return r.Cost == 0 && r.Bytes == 0 },
	)
	slices.SortFunc(list, func(a, b RuleStatus) int {
		return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(b.Bytes, a.Bytes),
			cmp.Compare(a.ID, b.ID))
	})
	return list[:min(most, len(list))]
}

func (s *Server) replayForm(w http.ResponseWriter, r *http.Request) error {
	if s.DeadLetters == nil {
		return missing("a dead-letter topic")
	}
	at, err := positionOf(r)
	if err != nil {
		return err
	}
	if err := s.DeadLetters.Replay(r.Context(), at); err != nil {
		return &apiError{http.StatusBadGateway, err.Error()}
	}
	s.audit.record(r, "dead letter replayed", "topic", at.Topic, "partition", at.Partition,
		"offset", at.Offset)
	return back(w, r, "/engine?done=replayed#dead")
}
