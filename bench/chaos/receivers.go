package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/pkg/models"

	"github.com/log-monitoring/alert-engine/bench/proc"
)

// conduct is how a webhook answers.
type conduct int

const (
	healthy conduct = iota
	failing         // 500 half of the time
	slow            // a second for each answer
	down            // closes connections without an answer half of the time
)

var conducts = map[string]conduct{
	"healthy": healthy,
	"failing": failing,
	"slow":    slow,
	"down":    down,
}

// trouble is how long a webhook behaves badly, and then well, in turns.
const trouble = 7 * time.Second

// notice is one alert of one accepted notification.
type notice struct {
	change
	merged  []string // the newest episodes that it stands for as well
	further int      // how many more it stands for, which it does not name
}

// timesFired is how often a message says that an alert fired.
func timesFired(repeated string) (n int) {
	fmt.Sscanf(repeated, "fired %d times", &n)
	return n
}

// receiver is a webhook that keeps what it has accepted.
type receiver struct {
	url   string
	acts  conduct
	began time.Time

	mu       sync.Mutex // guards what follows
	well     bool       // from now on it behaves well
	notices  []notice
	refusals int
}

func startReceiver(acts conduct) (*receiver, error) {
	r := &receiver{acts: acts, began: time.Now()}
	var err error
	r.url, err = proc.Serve(r)
	return r, err
}

// ServeHTTP takes a notification in Alertmanager's format, or refuses it.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.acts == slow {
		time.Sleep(time.Second)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if bad := int(time.Since(r.began)/trouble)%2 == 1; bad && !r.well && r.acts != slow {
		switch r.acts {
		case failing:
			r.refusals++
			w.WriteHeader(http.StatusInternalServerError)
			return
		case down:
			r.refusals++
			panic(http.ErrAbortHandler)
		}
	}
	alerts, err := proc.ReadAlerts(req)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, a := range alerts {
		merged := strings.Fields(a.Annotations["merged_alert_ids"])
		r.notices = append(r.notices, notice{
			change: change{
				alert: alertName(a.Labels), severity: a.Labels["severity"], state: a.Status,
				at: stamped(a.Annotations["event_time"]), id: a.Annotations["alert_id"],
			},
			merged:  merged,
			further: max(0, timesFired(a.Annotations["repeated"])-1-len(merged)),
		})
	}
}

// recover has the webhook behave well from now on, but for the slow one.
func (r *receiver) recover() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.well = true
}

func (r *receiver) accepted() []notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.notices[:len(r.notices):len(r.notices)]
}

func stamped(text string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, text)
	return t
}

// line is a notification as the file and the topic have it.
type line struct {
	ID        string            `json:"id"`
	AlertID   string            `json:"alert_id"`
	State     string            `json:"state"`
	Timestamp string            `json:"timestamp"`
	Labels    map[string]string `json:"labels"`
	Notes     map[string]string `json:"annotations"`
}

// lines reads notifications before an instant. Repeats are left out and counted, and those that
// differ from the line that they repeat are returned.
func lines(list [][]byte, until time.Time) (
	changes []change, repeated int, differing []string, err error,
) {
	seen := map[string][]byte{}
	for _, text := range list {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, 0, nil, fmt.Errorf("%w: %s", err, text)
		}
		if first, ok := seen[l.ID]; ok {
			if repeated++; !bytes.Equal(first, text) {
				differing = append(differing, fmt.Sprintf("%s\nis repeated as\n%s", first, text))
			}
			continue
		}
		seen[l.ID] = text
		if at := stamped(l.Timestamp); at.Before(until) &&
			l.Labels["key"]+l.Labels["alertname"] != "" {
			changes = append(changes, change{
				alert: alertName(l.Labels), severity: l.Labels["severity"], state: l.State, at: at,
				from: stamped(l.Notes["started_at"]), id: l.AlertID,
			})
		}
	}
	return changes, repeated, differing, nil
}

func fileLines(name string) (list [][]byte, err error) {
	text, err := os.ReadFile(name)
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		list = append(list, bytes.Clone(scanner.Bytes()))
	}
	return list, errors.Join(err, scanner.Err())
}

// topicLines reads a topic with one partition to its present end.
func topicLines(brokers []string, name string) (list [][]byte, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		fetches := client.PollFetches(ctx)
		cancel()
		if fetches.NumRecords() == 0 {
			return list, nil
		}
		fetches.EachRecord(func(r *kgo.Record) { list = append(list, r.Value) })
	}
}

// decidedIn reads the transitions that receivers are notified of from the history, in the order in
// which they were decided.
func decidedIn(dir string, until time.Time) (changes []change, repeated int, err error) {
	h, err := history.Open(history.Options{Dir: dir})
	if err != nil {
		return nil, 0, err
	}
	defer h.Close()
	var text bytes.Buffer
	kinds := []history.Kind{history.Transition}
	if err := h.Export(context.Background(), &text, history.Query{
		Kinds: kinds,
	}, history.JSON); err != nil {
		return nil, 0, err
	}
	seen := map[string]bool{}
	for in := json.NewDecoder(&text); ; {
		var e history.Entry
		if err := in.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, 0, err
		}
		a := e.Alert
		if a.State != models.AlertFiring && a.State != models.AlertResolved || !e.At.Before(until) {
			continue
		}
		name := fmt.Sprint(a.ID, a.State, a.At, a.Severity)
		if seen[name] {
			repeated++
			continue
		}
		seen[name] = true
		changes = append(changes, change{
			alert: path.Base(a.Rule) + " " + a.Labels["key"], severity: a.Severity,
			state: string(a.State), at: a.At, from: a.StartsAt, id: a.ID,
		})
	}
	slices.Reverse(changes) // oldest first
	return settled(changes), repeated, nil
}

// settled leaves out what receivers are not notified of: alerts that were suppressed until their
// end, and that the beginning of an alert has moved by logs that were read out of order.
func settled(changes []change) (list []change) {
	last := map[string]int{} // by ID
	for _, c := range changes {
		at, known := last[c.id]
		switch {
		case !known && c.state != "firing":
			continue
		case known && c.state == "firing" && list[at].state == "firing" &&
			c.severity == list[at].severity:
			list[at] = c
			continue
		}
		last[c.id] = len(list)
		list = append(list, c)
	}
	return list
}
