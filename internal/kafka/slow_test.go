package kafka

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// slowly is an engine whose scanners take a minute for records that begin with "slow".
type slowly struct{ keeping }

func (s slowly) NewScanner() models.Scanner { return slowScanner{} }

type slowScanner struct{}

func (slowScanner) Scan(records []models.Record) models.Scan {
	for _, r := range records {
		if string(r.Value[:4]) == "slow" {
			<-time.After(time.Minute)
		}
	}
	return noter{}.Scan(records)
}

// A record that is slow to read is left out once the process was killed over it twice.
func TestSlowRecordIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	inBubble(t, 1, func(b *bed) {
		file := filepath.Join(dir, "slow.json")
		cfg := b.sourceConfig()
		cfg.SlowFile = file
		engine := slowly{keeping{newNotebook()}}
		b.numbered(0, 0, 2)
		b.produce(0, "slow 2")
		b.numbered(0, 3, 5)
		for range 2 {
			_, r := started(b, cfg, engine)
			<-time.After(40 * time.Second)
			text, err := os.ReadFile(file) // what a kill leaves
			if err != nil {
				t.Fatal(err)
			}
			engine.fails(errors.New("killed"))
			r.stop()
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			engine = slowly{engine.crash()}
			engine.fails(nil)
		}
		if text, _ := os.ReadFile(file); string(
			text) != `[{"topic":"application-logs","partition":0,"from":2,"to":3,"attempts":1}]` {
			t.Errorf("the file holds %s", text)
		}
		// the record is known by itself now; one further kill, and it is left out
		if err := os.WriteFile(file, []byte(
			`[{"topic":"application-logs","partition":0,"from":2,"to":3,"attempts":2}]`),
			0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s, r := started(b, cfg, engine)
		b.waitSeen(engine.seen, append(offsets(0, 0, 2), offsets(0, 3, 5)...))
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("it took %s", took)
		}
		if n := s.Stats().Rejected["too_slow"]; n != 1 {
			t.Errorf("%d records are left out", n)
		}
		if text, _ := os.ReadFile(file); string(text) != "[]" {
			t.Errorf("in the end the file holds %s", text)
		}
		r.stop()
	})
}
