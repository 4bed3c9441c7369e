package ruletest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// arrival is a record, and when it arrives.
type arrival struct {
	at     time.Time
	event  time.Time
	record models.Record
}

// arrivals are the records of a test in the order in which they arrive, each partition with offsets
// from 0.
func (t *Test) arrivals() ([]arrival, error) {
	var list []arrival
	for i := range t.Logs {
		l := &t.Logs[i]
		for n := range max(1, l.Times) {
			event := t.Start.Add(time.Duration(l.At) + time.Duration(n)*time.Duration(l.Every))
			value, err := l.value(event)
			if err != nil {
				return nil, fmt.Errorf("log %d of test %q cannot be written as JSON: %w", i+1,
					t.Name, err)
			}
			list = append(list, arrival{
				at:    event.Add(time.Duration(l.Delay)),
				event: event,
				record: models.Record{
					Topic:     l.Topic,
					Partition: l.Partition,
					Timestamp: event,
					Value:     value,
				},
			})
		}
	}
	inOrder(list)
	return joined(list, t.Join)
}

// joined makes one record of those that are the lines of one log. It arrives with the last of them.
func joined(list []arrival, cfg decode.JoinConfig) ([]arrival, error) {
	j, err := decode.NewJoiner(decode.Config{Join: cfg})
	if j == nil || err != nil {
		return list, err
	}
	of := make(map[models.Partition][]arrival)
	var partitions []models.Partition
	for _, a := range list {
		p := models.Partition{Topic: a.record.Topic, Partition: a.record.Partition}
		if of[p] == nil {
			partitions = append(partitions, p)
		}
		of[p] = append(of[p], a)
	}
	var all []arrival
	for _, p := range partitions {
		records := make([]models.Record, len(of[p]))
		for i := range records {
			records[i] = of[p][i].record
		}
		events, _ := j.Join(records, true)
		for _, e := range events {
			a := of[p][e.First]
			a.at = of[p][e.Last].at
			if e.Value != nil {
				a.record.Value = slices.Clone(e.Value)
			}
			all = append(all, a)
		}
	}
	inOrder(all)
	return all, nil
}

// shuffled delays each record at random, so that none comes later than the lateness after its event
// time. Records that a script makes later than that stay where they are.
func shuffled(list []arrival, lateness time.Duration, rng *rand.Rand) []arrival {
	list = slices.Clone(list)
	for i := range list {
		a := &list[i]
		if room := a.event.Add(lateness).Sub(a.at); room > 0 {
			a.at = a.at.Add(time.Duration(rng.Int64N(int64(room))))
		}
	}
	inOrder(list)
	return list
}

// inOrder sorts by time of arrival and numbers the records of each partition.
func inOrder(list []arrival) {
	slices.SortStableFunc(list, func(a, b arrival) int { return a.at.Compare(b.at) })
	next := make(map[models.Partition]int64)
	for i := range list {
		r := &list[i].record
		p := models.Partition{Topic: r.Topic, Partition: r.Partition}
		r.Offset = next[p]
		next[p]++
	}
}
