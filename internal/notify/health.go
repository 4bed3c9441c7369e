package notify

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

// StateHealth returns an error while the disk does not take the notification state. Receivers are
// notified all the same, but a crash would repeat notifications.
func (n *Notifier) StateHealth() error { return n.wal.err() }

// CapacityHealth returns an error while a limit holds back some notifications: more alerts fire
// than there are places for, or the queue of the file or topic is full. All others are sent.
func (n *Notifier) CapacityHealth() error {
	return errors.Join(n.states.health(), n.queueHealth())
}

// Health returns an error while receivers may not be notified: one has failed for a minute.
func (n *Notifier) Health() error {
	var errs []error
	n.receivers.mu.Lock()
	defer n.receivers.mu.Unlock()
	for _, destination := range slices.Sorted(maps.Keys(n.receivers.state)) {
		s := n.receivers.state[destination]
		if since := time.Since(s.failing); !s.failing.IsZero() && since >= failureAfter {
			errs = append(
				errs,
				fmt.Errorf("receiver %s has failed for %s: %s", destination,
					duration.Format(since.Round(time.Second)), s.detail),
			)
		}
	}
	return errors.Join(errs...)
}

// Status is the status of notifications. Numbers count since the start.
type Status struct {
	Waiting   int        `json:"waiting"`
	Sent      int64      `json:"sent"`
	Failed    int64      `json:"failed"`
	Receivers []string   `json:"receivers"`
	Problem   string     `json:"problem,omitempty"`
	Recent    []Delivery `json:"recent,omitempty"` // newest last
}

// Status returns the status of notifications.
func (n *Notifier) Status() Status {
	p := n.config.Load()
	s := Status{Receivers: slices.Sorted(maps.Keys(p.receivers)), Recent: n.deliveries.last()}
	for _, t := range p.targets {
		s.Receivers = append(s.Receivers, t.destination)
	}
	if n.opts.Outbox != nil {
		s.Waiting = n.opts.Outbox.Waiting()
	}
	for _, sink := range p.sinks {
		s.Receivers = append(s.Receivers, sink.kind)
	}
	if err := errors.Join(n.Health(), n.CapacityHealth(), n.StateHealth()); err != nil {
		s.Problem = err.Error()
	}
	n.receivers.mu.Lock()
	defer n.receivers.mu.Unlock()
	s.Sent, s.Failed = n.receivers.sent, n.receivers.fails
	return s
}

// receivers is the health of each integration.
type receivers struct {
	mu    sync.Mutex // guards what follows
	state map[string]*receiverState
	sent  int64
	fails int64
}

type receiverState struct {
	failing time.Time // since when; zero for not
	detail  string    // the last error
}

// attempted notes an attempt, and reports whether it went otherwise than the one before.
func (r *receivers) attempted(
	destination string,
	now time.Time,
	sent bool,
	detail string,
) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == nil {
		r.state = map[string]*receiverState{}
	}
	s := r.state[destination]
	if s == nil {
		s = &receiverState{}
		r.state[destination] = s
	}
	failing := !s.failing.IsZero()
	if s.detail = detail; sent {
		r.sent++
		s.failing = time.Time{}
		return failing
	}
	r.fails++
	if !failing {
		s.failing = now
	}
	return !failing
}

// reset drops what is known, since receivers may have gone.
func (r *receivers) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = nil
}
