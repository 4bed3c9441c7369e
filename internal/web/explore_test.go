package web

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// events parses server-sent events.
func events(text string) (list [][2]string) {
	for _, one := range strings.Split(text, "\n\n") {
		name, data, ok := strings.Cut(strings.TrimPrefix(one, "event: "), "\ndata: ")
		if ok {
			list = append(list, [2]string{name, data})
		}
	}
	return list
}

// manyLogs is a topic with a log every ten milliseconds for an hour; it counts what is read.
type manyLogs struct {
	*fake
	read int
}

func (m *manyLogs) Records(ctx context.Context, from From) iter.Seq2[models.Record, error] {
	return func(yield func(models.Record, error) bool) {
		begin := noon.Add(-time.Hour)
		first := max(0, int(from.Time.Sub(begin)/(10*time.Millisecond)))
		for i := first; i < 360_000; i++ {
			at := begin.Add(time.Duration(i) * 10 * time.Millisecond)
			if at.Before(from.Time) {
				continue
			}
			if !from.Until.IsZero() && !at.Before(from.Until) || ctx.Err() != nil {
				return
			}
			m.read++
			value := fmt.Sprintf(`{"time":%q,"level":"INFO","message":"log %d"}`,
				at.Format(time.RFC3339Nano), i)
			if !yield(models.Record{
				Topic:     "logs",
				Partition: int32(i % 3),
				Offset:    int64(i),
				Timestamp: at,
				Value:     []byte(value),
			}, nil) {
				return
			}
		}
	}
}

// A search streams the newest logs first, reports progress, and ends.
func TestSearchStreamsNewestFirst(t *testing.T) {
	f, o := newFake(t)
	logs := &manyLogs{fake: f}
	o.Logs = logs
	s := newServer(t, o)
	code, text := do(s, "GET", "/api/v1/search?since=10m&limit=150", "")
	if code != 200 {
		t.Fatalf("it is %d: %s", code, text)
	}
	var lines []shownLine
	var last searchResult
	reached := noon
	list := events(text)
	for _, e := range list {
		switch e[0] {
		case "lines":
			var some []shownLine
			if err := json.Unmarshal([]byte(e[1]), &some); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, some...)
		case "progress":
			last = searchResult{}
			if err := json.Unmarshal([]byte(e[1]), &last); err != nil {
				t.Fatal(err)
			}
			if last.Reached.After(reached) {
				t.Errorf("it goes forward from %v to %v", reached, last.Reached)
			}
			reached = last.Reached
		}
	}
	if list[0][0] != "lines" || list[len(list)-1] != [2]string{"end", `{"reason":"complete"}`} {
		t.Errorf("it begins with %s and ends with %s", list[0][0], list[len(list)-1])
	}
	if len(lines) != 150 || lines[0].Message != "log 359999" {
		t.Errorf("%d lines, the first %+v", len(lines), lines[0])
	}
	for i := 1; i < len(lines); i++ {
		if lines[i].At.After(lines[i-1].At) {
			t.Fatalf("line %d is newer than the one before", i)
		}
	}
	if last.Matched != 60_000 || last.Read != 60_000 || logs.read != 60_000 ||
		!last.Reached.Equal(noon.Add(-10*time.Minute)) {
		t.Errorf("matched %d, read %d (%d), back to %v", last.Matched, last.Read, logs.read,
			last.Reached)
	}
	sum := 0
	for _, n := range last.Bars {
		sum += n
	}
	if sum != last.Matched {
		t.Errorf("the histogram has %d", sum)
	}
}

// A time range, a partition and an absolute time narrow a search.
func TestSearchRange(t *testing.T) {
	f, o := newFake(t)
	o.Logs = &manyLogs{fake: f}
	s := newServer(t, o)
	count := func(query string) (n int) {
		t.Helper()
		code, text := do(s, "GET", "/api/v1/logs?"+query, "")
		var found searchResult
		if err := json.Unmarshal([]byte(text), &found); code != 200 || err != nil {
			t.Fatalf("%s is %d: %.200s", query, code, text)
		}
		return found.Matched
	}
	if n := count("from=2026-03-02T11:30:00Z&to=2026-03-02T11:30:10Z"); n != 1000 {
		t.Errorf("ten seconds have %d", n)
	}
	if n := count("from=2026-03-02T11:30:00Z&to=2026-03-02T11:30:03Z&partition=1"); n != 100 {
		t.Errorf("a partition has %d", n)
	}
	for _, bad := range []string{
		"from=x", "from=2026-03-02T11:30:10Z&to=2026-03-02T11:30:00Z", "partition=-1",
		"partition=x", "since=never",
	} {
		if code, _ := do(s, "GET", "/api/v1/logs?"+bad, ""); code != 400 {
			t.Errorf("%s is %d", bad, code)
		}
	}
}

// The page is sent after a moment with what was found; the script continues.
func TestExplorePageContinues(t *testing.T) {
	f, o := newFake(t)
	o.Logs = &manyLogs{fake: f}
	s := newServer(t, o)
	body := see(t, s, "/explore?since=1h", "log 359999",
		`data-stream="/api/v1/search?from=2026-03-02T11%3A00%3A00Z&amp;`)
	if !strings.Contains(body, "read back to") {
		t.Error("the page does not say how far it is")
	}
}

// A record is shown as it is on the topic.
func TestRawRecord(t *testing.T) {
	f, o := newFake(t)
	f.records[3].Key = []byte("k\x00")
	f.records[3].Headers = []models.Header{{Key: "trace", Value: []byte("abc")}}
	f.records[4].Value = []byte{0x1f, 0x8b, 0xff}
	s := newServer(t, o)
	_, text := do(s, "GET", "/api/v1/record?topic=logs&partition=0&offset=3", "")
	for _, want := range []string{
		`"key":"k\u0000"`, `{"key":"trace","value":"abc"}`, `"encoding":"text"`,
		`\"order\":{\"id\":3}`, `"format":"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	_, text = do(s, "GET", "/api/v1/record?topic=logs&partition=0&offset=4", "")
	if !strings.Contains(text, `"value":"H4v/","encoding":"base64"`) {
		t.Errorf("bytes are %s", text)
	}
	for _, bad := range []string{
		"topic=logs&partition=0", "topic=logs&partition=-1&offset=1", "partition=0&offset=1",
	} {
		if code, _ := do(s, "GET", "/api/v1/record?"+bad, ""); code != 400 {
			t.Errorf("%s is %d", bad, code)
		}
	}
}

// The number beside a field is that of the logs that have it, however many values there are.
func TestFieldCountsManyValues(t *testing.T) {
	counts := fieldCounts{}
	for i := range 5000 {
		counts.add(models.Line{Level: "ERROR", Fields: map[string]string{"trace": fmt.Sprint(i)}})
	}
	for _, one := range counts.list() {
		if one.Logs != 5000 {
			t.Errorf("%s is in %d logs", one.Field, one.Logs)
		}
	}
}
