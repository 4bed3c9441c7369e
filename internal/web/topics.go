package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// topics reads the logs on the topics of the engine, and decodes logs that a client sends.
type topics struct {
	logs  Logs // nil for none
	state *engineState
	now   func() time.Time
}

// checkTopic refuses topics that the engine does not read. Kafka may allow this program to read
// more, but clients of the pages may not.
func (t *topics) checkTopic(name string) error {
	if name == "" || t.logs != nil && slices.Contains(t.logs.Topics(), name) {
		return nil
	}
	return notFound("%q is not a topic of this engine", safetext.ClipLine(name, 80))
}

// positionOf parses the position in a request.
func (t *topics) positionOf(r *http.Request) (models.Position, error) {
	at, err := positionOf(r)
	if err == nil {
		err = t.checkTopic(at.Topic)
	}
	return at, err
}

func positionOf(r *http.Request) (models.Position, error) {
	at := models.Position{Topic: r.FormValue("topic")}
	for name, into := range map[string]any{"partition": &at.Partition, "offset": &at.Offset} {
		if _, err := fmt.Sscan(r.FormValue(name), into); err != nil {
			return at, badRequest("%s: %q is not a number", name,
				safetext.ClipLine(r.FormValue(name), 40))
		}
	}
	if at.Topic == "" || at.Partition < 0 || at.Offset < 0 {
		return at, badRequest("position: topic, partition and offset are needed")
	}
	return at, nil
}

func (t *topics) newSearch(text string) (*search, error) {
	if t.logs == nil {
		return nil, missing("reading topics")
	}
	q := &search{logs: t.logs, lists: t.state.lists(), decoders: map[string]*decode.Decoder{}}
	if strings.TrimSpace(text) == "" {
		return q, nil
	}
	err := tooLong("query", text)
	if err != nil {
		return nil, err
	}
	if q.query, err = rule.ParseQuery(text); err != nil {
		return nil, queryMistake(err)
	}
	return q, nil
}

// readRecord reads one record.
func (t *topics) readRecord(ctx context.Context, at models.Position) (models.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	from := From{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset, At: true}
	for record, err := range t.logs.Records(ctx, from) {
		if err != nil {
			return models.Record{}, unreadable(err)
		}
		if record.Offset != at.Offset {
			break
		}
		record.Value, record.Key = slices.Clone(record.Value), slices.Clone(record.Key)
		return record, nil
	}
	return models.Record{}, notFound("no record at this offset (it may have been deleted)")
}

// event is the value of a record, to be decoded or explained.
type event struct {
	Event string `json:"event"`
	Topic string `json:"topic,omitempty"`
	Rule  string `json:"rule,omitempty"`
}

const (
	maxEvent = 256 << 10 // bytes of an event to decode or explain
	maxLogs  = 200       // of an event that are decoded or explained
)

// eachLog decodes the logs of an event, at most maxLogs.
func (t *topics) eachLog(e event, each func(*decode.Log)) error {
	var config decode.Config
	if t.logs != nil {
		config = t.logs.Decode(e.Topic)
	}
	decoder, err := decode.New(config, decode.NewFields())
	if err != nil {
		return err
	}
	if len(e.Event) > maxEvent {
		return badRequest("event: %d bytes; at most %d are allowed", len(e.Event), maxEvent)
	}
	if e.Topic != "" {
		if err := t.checkTopic(e.Topic); err != nil {
			return err
		}
	}
	var rejected error
	n := 0
	record := models.Record{Topic: e.Topic, Timestamp: t.now(), Value: []byte(e.Event)}
	decoder.Decode(&record, func(l *decode.Log) {
		if n++; n <= maxLogs {
			each(l)
		}
	}, func(reason decode.Reason, detail string) {
		rejected = &apiError{
			http.StatusUnprocessableEntity,
			fmt.Sprintf("decoding the event failed: %s: %s", reason, detail),
		}
	})
	return rejected
}
