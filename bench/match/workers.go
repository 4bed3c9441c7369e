package main

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// workers measures how much faster two workers are than one when all logs are on one partition:
// what the program does with the records of a poll, windows and all, but with the records in
// memory, so that no other needs the processors. It is the one figure of time on the wall, for
// that is what a second worker is to save; the CPU time of each log beside it tells whether the
// machine had two processors to give.
func workers() {
	logs := kubernetesLogs(*logCount, 1)
	fmt.Printf(
		"## All logs on one partition: decoding, 1,000 mixed rules, and their windows, from " +
			"memory; time on the wall\n\n",
	)
	runs := []*replay{newReplay(1, logs), newReplay(2, logs)}
	wall, cpu := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(1), math.Inf(1)}
	for range 4 * *rounds {
		for i, r := range runs {
			w, c := r.poll()
			wall[i], cpu[i] = min(wall[i], w), min(cpu[i], c)
		}
	}
	for _, r := range runs {
		r.Close()
	}
	fmt.Printf("one worker %.0f ns a log, two workers %.0f ns; CPU time %.0f and %.0f ns a log\n",
		wall[0], wall[1], cpu[0], cpu[1])
	verdict("two workers over one on one partition, by the clock on the wall", wall[0]/wall[1],
		">=", 1.85)
	fmt.Println()
}

// replay is an engine whose workers get the same logs again and again, as records of one partition.
type replay struct {
	*kafka.Replay
	engine  *alerting.Engine
	records []*kgo.Record
}

func newReplay(workers int, logs [][]byte) *replay {
	engine := alerting.NewEngine(
		alerting.WithRules(windowed(mixedRules(1000))),
		alerting.WithEmit(func(models.Alert) {}),
		alerting.WithLogger(slog.New(slog.DiscardHandler)),
	)
	r := &replay{engine: engine, Replay: kafka.NewReplay(engine, workers)}
	for i, b := range logs {
		r.records = append(
			r.records,
			&kgo.Record{
				Topic:     topic,
				Offset:    int64(i),
				Timestamp: time.Date(2027, 1, 15, 9, 0, 0, 0, time.UTC),
				Value:     b,
			},
		)
	}
	for planned := false; !planned; { // as the program does once logs have gone by
		r.poll()
		var err error
		planned, err = engine.Replan()
		check(err)
	}
	return r
}

// windowed makes rules of queries: each counts its matches by service.
func windowed(queries []rule.Query) *rule.Set {
	text := strings.Builder{}
	text.WriteString("version: 1\ngroups:\n- name: mixed\n  rules:\n")
	for i := range queries {
		fmt.Fprintf(&text, "  - {alert: Rule%d, match: level>=ERROR, when: count() > 100, "+
			"window: 5m, by: [service]}\n", i)
	}
	set, err := rule.Read("mixed.rules.yml", []byte(text.String()))
	check(err)
	for i, q := range queries {
		set.Rules[i].Match = q
	}
	return set
}

// poll works off all records, as if one poll had brought them, and returns nanoseconds a log on the
// wall and of CPU time.
func (r *replay) poll() (wall, cpu float64) {
	began, spent := time.Now(), processCPU()
	r.Evaluate(r.records)
	n := float64(len(r.records))
	wall, cpu = float64(time.Since(began))/n, float64(processCPU()-spent)/n
	for _, rec := range r.records {
		rec.Offset += int64(len(r.records))
	}
	return wall, cpu
}
