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

// engineHandlers serve the status of the engine, and its dead letters.
type engineHandlers struct {
	state       *engineState
	health      *health
	notifier    Notifier    // nil for none
	deadLetters DeadLetters // nil for none
	audit       *auditTrail
	pages       *pages
	version     string
}

func (h *engineHandlers) routes() []route {
	return []route{
		{"GET /engine", Reader, costly, h.pages.handler(h.page)},
		{"POST /engine/replay", Writer, costly, h.pages.handler(h.replayForm)},
		{"GET /api/v1/engine", Reader, cheap, api(h.get)},
		{"GET /api/v1/deadletters", Reader, costly, api(h.getDeadLetters)},
		{"POST /api/v1/deadletters/replay", Writer, costly, api(h.postReplay)},
	}
}

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
	Costly     []*RuleStatus
	Checks     []checkResult
	Partitions []PartitionStatus // highest lag first
	More       int
	Done       bool // confirms a replay
	Delay      barChart
	Lateness   bool // partitions have one that follows the delays
}

const listedPartitions = 64

func (h *engineHandlers) page(w http.ResponseWriter, r *http.Request) error {
	d := engineData{
		Missing:   h.state.engine == nil,
		DeadKnown: h.deadLetters != nil,
		Done:      r.FormValue("done") == "replayed",
	}
	if h.state.engine != nil {
		d.Engine = h.state.engineStatus()
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
	if h.notifier != nil {
		n := h.notifier.Status()
		d.Notifier = &n
		for i := len(n.Recent) - 1; i >= 0 && len(d.Recent) < 15; i-- {
			d.Recent = append(d.Recent, n.Recent[i])
		}
	}
	if h.deadLetters != nil {
		var err error
		if d.Dead, err = h.deadLetters.List(r.Context(), 20); err != nil {
			d.DeadError = err.Error()
		}
	}
	d.Lateness = slices.ContainsFunc(
		d.Partitions, func(p PartitionStatus) bool { return p.Lateness > 0 },
	)
	d.Delay = delayChart(d.Engine.Delay)
	d.Costly = h.costliest(10)
	d.Checks = h.health.results()
	v := view{Title: "Engine", Page: "engine", Data: d}
	return h.pages.show(w, r, "engine", "engine", v)
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

func (h *engineHandlers) costliest(most int) []*RuleStatus {
	if h.state.rules == nil {
		return nil
	}
	var list []*RuleStatus
	all := h.state.rulesStatus()
	for i := range all {
		if one := &all[i]; one.Cost > 0 || one.Bytes > 0 {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b *RuleStatus) int {
		return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(b.Bytes, a.Bytes),
			cmp.Compare(a.ID, b.ID))
	})
	return list[:min(most, len(list))]
}

func (h *engineHandlers) replayForm(w http.ResponseWriter, r *http.Request) error {
	if h.deadLetters == nil {
		return missing("a dead-letter topic")
	}
	at, err := positionOf(r)
	if err != nil {
		return err
	}
	if err := h.deadLetters.Replay(r.Context(), at); err != nil {
		return &apiError{http.StatusBadGateway, err.Error()}
	}
	h.audit.record(r, "dead letter replayed", "topic", at.Topic, "partition", at.Partition,
		"offset", at.Offset)
	return back(w, r, "/engine?done=replayed#dead")
}

func (h *engineHandlers) get(w http.ResponseWriter, _ *http.Request) error {
	if h.state.engine == nil {
		return missing("the engine status")
	}
	state := struct {
		Version  string          `json:"version"`
		Engine   EngineStatus    `json:"engine"`
		Notifier *NotifierStatus `json:"notifier,omitempty"`
	}{Version: h.version, Engine: h.state.engineStatus()}
	if h.notifier != nil {
		n := h.notifier.Status()
		state.Notifier = &n
	}
	return ok(w, state)
}

func (h *engineHandlers) getDeadLetters(w http.ResponseWriter, r *http.Request) error {
	if h.deadLetters == nil {
		return missing("a dead-letter topic")
	}
	most, err := number(r, "limit", 100, 1000)
	if err != nil {
		return err
	}
	list, err := h.deadLetters.List(r.Context(), most)
	if err != nil {
		return &apiError{http.StatusBadGateway, err.Error()}
	}
	if list == nil {
		list = []DeadLetter{}
	}
	return ok(w, list)
}

func (h *engineHandlers) postReplay(w http.ResponseWriter, r *http.Request) error {
	if h.deadLetters == nil {
		return missing("a dead-letter topic")
	}
	var at models.Position
	if err := readJSON(r, &at); err != nil {
		return err
	}
	if err := h.deadLetters.Replay(r.Context(), at); err != nil {
		return &apiError{http.StatusBadGateway, err.Error()}
	}
	h.audit.record(r, "dead letter replayed", "topic", at.Topic, "partition", at.Partition,
		"offset", at.Offset)
	return ok(w, map[string]bool{"replayed": true})
}
