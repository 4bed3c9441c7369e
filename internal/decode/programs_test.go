package decode

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// programSample is a record in the form of a program, written down by hand rather than recorded.
type programSample struct {
	Program, Value string
	Want           map[string]string
}

func readPrograms(tb testing.TB) (samples []programSample) {
	tb.Helper()
	file, err := os.Open("testdata/programs.jsonl")
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s programSample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			tb.Fatal(err)
		}
		samples = append(samples, s)
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return samples
}

// Time, level, a part of the message, and fields of each program are what a person reads.
func TestProgramsAsAPersonReads(t *testing.T) {
	for _, s := range readPrograms(t) {
		t.Run(s.Program, func(t *testing.T) {
			var paths []string
			for path := range s.Want {
				paths = append(paths, path)
			}
			d, err := New(Config{}, NewFields(paths...))
			if err != nil {
				t.Fatal(err)
			}
			logs := 0
			rec := &models.Record{
				Timestamp: time.Date(2026, 11, 29, 8, 6, 36, 0, time.UTC), Value: []byte(s.Value),
			}
			d.Decode(rec, func(l *Log) {
				logs++
				for path, want := range s.Want {
					got := string(l.Lookup(path).Text)
					if path == "message" && strings.Contains(got, want) {
						continue
					}
					if got != want {
						t.Errorf("%s is %q, want %q", path, got, want)
					}
				}
			}, func(r Reason, detail string) { t.Errorf("refused: %s %s", r, detail) })
			if logs != 1 {
				t.Errorf("%d logs", logs)
			}
		})
	}
}
