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

// A record in the form of a program, written down by hand rather than recorded, says what a person
// reads in it: time, level, a part of the message, and fields.
func TestProgramsAsAPersonReads(t *testing.T) {
	file, err := os.Open("testdata/programs.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s struct {
			Program, Value string
			Want           map[string]string
		}
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
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
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}
