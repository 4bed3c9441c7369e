package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const recordRules = `version: 1
groups:
- name: shop
  lateness: 1s
  rules:
  - {record: errors, match: level>=ERROR, when: count(), window: 1m, by: [service]}
- name: over
  source: values
  lateness: 1s
  rules:
  - {alert: Many, match: 'record:errors value>10', by: [service], annotations: {summary: '{{ .Last.Fields.value }}'}, samples: {fields: [value]}}
`

func withRecords(p *process) {
	p.config.Kafka.Topics, p.config.Kafka.RecordsTopic = []string{worldTopic, "values"}, "values"
}

// table is what a compacted topic keeps, and history what was ever written, in order: of each key
// the values and their times. A value that was written twice is there once, but not one that was
// written otherwise.
func table(t *testing.T, records []*kgo.Record) (table map[string]string, history []string) {
	t.Helper()
	table = map[string]string{}
	notified := map[string]string{}
	for _, r := range records {
		var v struct {
			Timestamp             time.Time
			Record, Rule, Service string
			Value                 float64
		}
		if len(r.Value) == 0 {
			delete(table, string(r.Key))
		} else if err := json.Unmarshal(r.Value, &v); err != nil || v.Record != "errors" ||
			v.Rule != "shop/errors" || string(r.Key) != fmt.Sprintf("shop/errors{service=%q}",
			v.Service) || !v.Timestamp.Equal(r.Timestamp) {
			t.Errorf("%s: %s: %v", r.Key, r.Value, err)
		} else {
			table[string(r.Key)] = fmt.Sprint(v.Value)
		}
		text := fmt.Sprintf("%s %s %s", r.Key, r.Timestamp.Format(time.TimeOnly),
			table[string(r.Key)])
		when := fmt.Sprintf("%s %d %v", r.Key, r.Timestamp.UnixNano(), len(r.Value) == 0)
		if before, ok := notified[when]; ok && before != string(r.Value) {
			t.Errorf("%s is written as %s, and as %s", when, before, r.Value)
		} else if !ok {
			history = append(history, text)
		}
		notified[when] = string(r.Value)
	}
	slices.Sort(history)
	return table, history
}

// The values of a record rule are on a topic, of which rules can be about them: ten errors are no
// alert, eleven are.
func TestRulesOverRecordedValues(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.rules = recordRules
		r := w.start("data", withRecords)
		w.errors(0, "pay", 10)
		w.errors(0, "cart", 3)
		time.Sleep(20 * time.Second)
		got, _ := table(t, w.read("values"))
		if got[`shop/errors{service="pay"}`] != "10" || got[`shop/errors{service="cart"}`] != "3" ||
			len(got) != 2 {
			t.Errorf("the topic has %v", got)
		}
		want(t, "of ten errors", w.notices())
		w.errors(1, "pay", 1)
		time.Sleep(20 * time.Second)
		want(t, "of eleven", w.notices(), "firing pay")
		if n := w.last(); n.summary != "11" {
			t.Errorf("the alert is about %q", n.summary)
		}
		time.Sleep(10 * time.Minute)
		want(t, "when all is over", w.notices(), "firing pay", "resolved pay")
		if got, _ := table(t, w.read("values")); len(got) != 0 {
			t.Errorf("groups that are gone have the values %v", got)
		}
		r.end()
	})
}

// Kills, stops and a topic that cannot be written change nothing of what is recorded.
func TestRecordedValuesSurvive(t *testing.T) {
	skipShort(t)
	kept := func(o *devbroker.Options) {
		o.Topics = append(o.Topics, devbroker.Topic{Name: "values", Partitions: 2})
	} // not compacted, unlike one that is made
	live := func(t *testing.T, trouble bool) (history []string) {
		inWorld(t, 1, func(w *world) {
			w.rules = strings.Split(recordRules, "- name: over")[0]
			began, dir := time.Now(), "a"
			r := w.start(dir, withRecords)
			for i := range 8 {
				time.Sleep(time.Until(began.Add(time.Duration(i+1) * 50 * time.Second)))
				w.errors(0, "pay", 1+3*i)
				switch {
				case !trouble:
				case i%4 == 1:
					r.kill(dir + "k")
					dir += "k"
					r = w.start(dir, withRecords)
				case i%4 == 3:
					r.end()
					r = w.start(dir, withRecords)
				default:
					r.link.cut()
					time.Sleep(15 * time.Second)
					r.link.mend()
				}
			}
			time.Sleep(5 * time.Minute)
			r.end()
			_, history = table(t, w.read("values"))
		}, kept)
		return history
	}
	expected := live(t, false)
	got := live(t, true)
	if len(expected) < 20 {
		t.Errorf("%d values tell little", len(expected))
	}
	if !slices.Equal(got, expected) {
		t.Errorf("with trouble\n%s\nwithout\n%s", strings.Join(got, "\n"),
			strings.Join(expected, "\n"))
	}
}

// A topic that takes no values holds up neither logs nor alerts, and is said; values wait in the
// meantime.
func TestRecordsTopicThatTakesNone(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = errorRules + "  - {record: errors, match: level>=ERROR, when: count(), window: " +
			"1m}\n"
		r := w.start("data", func(p *process) {
			p.config.Kafka.RecordsTopic = "values"
			var err error
			if p.topics.producer, err = kafka.NewProducer(
				kafka.ClientConfig{Brokers: []string{"127.0.0.1:1"}, Dial: w.network.DialContext},
				p.logger); err != nil {
				t.Error(err)
			}
		})
		w.errors(0, "pay", 11)
		time.Sleep(2 * time.Minute)
		want(t, "alerts", w.notices(), "firing pay", "resolved pay")
		if lag := r.source.Lag(); lag != 0 {
			t.Errorf("%d logs wait for the topic", lag)
		}
		if err := r.state.values.alarm(); err == nil ||
			!strings.Contains(err.Error(), `writing recorded values to topic "values" fails`) {
			t.Errorf("alarm: %v", err)
		}
		if some, _ := r.state.values.batch(); len(some) < 3 {
			t.Errorf("%d values wait", len(some))
		}
		if n := strings.Count(r.out.String(), "writing recorded values failed"); n != 1 {
			t.Errorf("it is said %d times", n)
		}
		r.end()
	})
}

func recordOf(service string, at int, v float64) models.Recorded {
	return models.Recorded{
		Rule:   "shop/errors",
		Record: "errors",
		Labels: map[string]string{"service": service},
		At:     time.Unix(int64(at), 0),
		Value:  v,
	}
}

// state is the disk of a queue.
type disk map[string][]byte

func (d disk) save(q *recorded, full bool) {
	q.save(full, func(key, value []byte) {
		d[string(key)] = value
	}, func(key []byte) { delete(d, string(key)) })
	q.release()
}

func (d disk) load(each func(key, value []byte) error) error {
	for key, value := range d {
		if err := each([]byte(key), value); err != nil {
			return err
		}
	}
	return nil
}

// Values wait on disk until they were written, and are found there after a crash, in their order;
// those that were written are not.
func TestRecordedValuesWaitOnDisk(t *testing.T) {
	d := disk{"g": []byte("of the engine")}
	q := newRecorded("values", nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	q.take(recordOf("a", 1, 1))
	if some, _ := q.batch(); len(some) != 0 {
		t.Error("a value is written before it is on disk")
	}
	d.save(q, false)
	for i := range 5 {
		q.take(recordOf("a", 2+i, float64(2+i)))
	}
	q.take(
		models.Recorded{
			Rule:   "shop/errors",
			Labels: map[string]string{"service": "a"},
			At:     time.Unix(9, 0),
			Gone:   true,
		},
	)
	d.save(q, false)
	some, _ := q.batch()
	q.wrote(some[1].seq)
	d.save(q, false)

	q = newRecorded("values", nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	var others int
	if err := q.restoring(d.load)(func(key, value []byte) error {
		others++
		return nil
	}); err != nil ||
		others != 1 {
		t.Errorf("%d keys for the engine, %v", others, err)
	}
	some, _ = q.batch()
	var got []string
	for _, v := range some {
		got = append(got, fmt.Sprintf("%s %d %s", v.recordKey, v.at/1e9, v.text))
	}
	value := func(n int) string {
		return fmt.Sprintf(`shop/errors{service="a"} %d {"record":"errors","rule":"shop/errors",`+
			`"service":"a","timestamp":"1970-01-01T00:00:0%dZ","value":%d}`, n, n, n)
	}
	want(t, "after a crash", got, value(3), value(4), value(5), value(6),
		`shop/errors{service="a"} 9 `)
	q.wrote(some[4].seq)
	full := disk{}
	full.save(q, true)
	if len(full) != 0 || q.bytes != 0 {
		t.Errorf("%d values are on disk, %d bytes wait, though all were written", len(full),
			q.bytes)
	}
}

// When too much waits, values go first that newer ones of their group have overtaken, then the
// oldest, and each is counted.
func TestRecordedValuesAreBounded(t *testing.T) {
	q := newRecorded("values", nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	d := disk{}
	q.bound = 20 << 10
	for i := range 1000 {
		q.take(recordOf(fmt.Sprint("s", i%10), i, float64(i)))
		if i%50 == 0 {
			d.save(q, false)
		}
		if q.bytes > q.bound {
			t.Fatalf("%d bytes wait", q.bytes)
		}
	}
	d.save(q, false)
	if len(d) != len(q.waiting) || q.dropped+uint64(len(d)) != 1000 || len(d) < 10 {
		t.Errorf("%d on disk, %d wait, %d dropped", len(d), len(q.waiting), q.dropped)
	}
	err := q.alarm()
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(q.dropped, " recorded values")) ||
		strings.Contains(err.Error(), "nil") {
		t.Errorf("while the topic takes values too slowly, the alarm is %v", err)
	}
	refused := errors.New("refused")
	q.note(refused)
	if err := q.alarm(); !errors.Is(err, refused) {
		t.Errorf("while the topic refuses values, the alarm is %v", err)
	}
	for i := range 1000 {
		q.take(recordOf(fmt.Sprint("t", i), i, float64(i)))
	}
	if q.bytes > q.bound || q.decided[len(q.decided)-1].recordKey != `shop/errors{service="t999"}` {
		t.Errorf("%d bytes wait", q.bytes)
	}
}

// A label cannot take the place of the value, whatever it is called, and text from logs ends
// neither key nor line.
func TestRecordedValueIsOneLog(t *testing.T) {
	r := recordOf("a\"b\n\u2028\xff", 1, 0.5)
	r.Labels["value"], r.Labels["timestamp"] = "1000", "now"
	text := string(recordedValue(r))
	if wanted := `{"label_timestamp":"now","label_value":"1000","record":"errors",` +
		`"rule":"shop/errors","service":"a\"b\n\u2028` + "\ufffd" +
		`","timestamp":"1970-01-01T00:00:01Z","value":0.5}`; strings.ReplaceAll(text, `\ufffd`,
		"\ufffd") != wanted {
		t.Errorf("got  %s\nwant %s", text, wanted)
	}
	if key := recordedKey(r); strings.ContainsAny(key, "\n") || !utf8.ValidString(key) ||
		key != `shop/errors{service="a\"b\n\u2028\xff",timestamp="now",value="1000"}` {
		t.Errorf("key %s", key)
	}
}
