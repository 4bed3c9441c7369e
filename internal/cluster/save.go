package cluster

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Keys of a fold's state begin with this, which no key of the engine's does.
const (
	savedPrefix  = "k/"
	savedFold    = savedPrefix + "fold"
	savedRules   = savedPrefix + "rules"
	savedPut     = savedPrefix + "put/"
	savedSilence = savedPrefix + "silence/"
	savedPage    = savedPrefix + "page/"
	savedNote    = savedPrefix + "note/"
)

// saved is the state of a fold beside that of its engine.
type saved struct {
	Next      int64             `json:"next"`
	Positions []savedPosition   `json:"positions"`
	Topics    []Topic           `json:"topics"`
	Progress  []models.Progress `json:"progress"`
	Now       time.Time         `json:"now"`
	Advanced  time.Time         `json:"advanced"`
	Leader    Author            `json:"leader"`
	Epoch     int64             `json:"epoch"`
	Covered   Seq               `json:"covered"`
	Pending   []Decision        `json:"pending,omitempty"`
	Members   map[Author]Seen   `json:"members"`
	Snapshots []Stored          `json:"snapshots,omitempty"`
	Since     time.Time         `json:"since"`
	Inherited bool              `json:"inherited,omitempty"`
}

type savedPosition struct {
	models.Partition
	Position
	Asked time.Time `json:"asked"`
}

// IsSaved reports whether a key belongs to a fold.
func IsSaved(key []byte) bool { return strings.HasPrefix(string(key), savedPrefix) }

// Save passes the state to put: all of it, or what has changed since the last call, with del for
// what is gone. The engine is saved beside it, at the same record.
func (f *Fold) Save(full bool, put func(key, value []byte), del func(key []byte)) {
	s := saved{
		Next: f.next, Progress: f.progress, Now: f.now, Advanced: f.advanced, Leader: f.leader,
		Epoch: f.epoch, Covered: f.covered, Pending: f.pending, Members: f.members,
		Snapshots: f.snapshots, Since: f.since,
		Inherited: f.inherited,
	}
	for p, at := range f.positions {
		s.Positions = append(s.Positions, savedPosition{p, at, f.asked[p]})
	}
	for _, t := range f.topics {
		s.Topics = append(s.Topics, t)
	}
	put([]byte(savedFold), encode(s))
	if full || f.newRules {
		put([]byte(savedRules), encode(f.rules))
		f.newRules = false
	}
	for key, value := range f.notified {
		if full || f.dirty[key] {
			put([]byte(savedPut+key), value)
		}
	}
	for key := range f.dirty {
		if _, ok := f.notified[key]; !ok {
			del([]byte(savedPut + key))
		}
	}
	clear(f.dirty)
	for id, s := range f.silences {
		if full || f.changedSilences[id] {
			put([]byte(savedSilence+id), s.encode())
		}
	}
	for id := range f.changedSilences {
		if _, ok := f.silences[id]; !ok {
			del([]byte(savedSilence + id))
		}
	}
	clear(f.changedSilences)
	for name, p := range f.pages {
		if full || f.changedPages[name] {
			put([]byte(savedPage+name), encode(p))
		}
	}
	clear(f.changedPages)
	f.saveNotes(full, put, del)
}

func (s silence) encode() []byte {
	return append(binary.AppendVarint(nil, s.until.Unix()), s.value...)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain values
	}
	return b
}

// Restore takes over an entry that Save has passed on.
func (f *Fold) Restore(key, value []byte) error {
	name := string(key)
	switch {
	case name == savedFold:
		var s saved
		if err := json.Unmarshal(value, &s); err != nil {
			return fmt.Errorf("cluster state: %w", err)
		}
		f.restore(s)
	case name == savedRules:
		if err := json.Unmarshal(value, &f.rules); err != nil {
			return fmt.Errorf("rules of the cluster: %w", err)
		}
	case strings.HasPrefix(name, savedPut):
		f.notified[strings.TrimPrefix(name, savedPut)] = append([]byte(nil), value...)
	case strings.HasPrefix(name, savedSilence):
		until, n := binary.Varint(value)
		if n <= 0 {
			return fmt.Errorf("silence %s of the cluster is cut short", name)
		}
		s := silence{append([]byte(nil), value[n:]...), time.Unix(until, 0)}
		f.silences[strings.TrimPrefix(name, savedSilence)] = s
		f.o.Silence(s.value)
	case strings.HasPrefix(name, savedPage):
		var p PageFile
		if err := json.Unmarshal(value, &p); err != nil {
			return fmt.Errorf("rule file %s of the cluster's pages: %w", name, err)
		}
		f.pages[strings.TrimPrefix(name, savedPage)] = p
	case strings.HasPrefix(name, savedNote):
		return f.restoreNotes(name, value)
	}
	return nil
}

func (f *Fold) restore(s saved) {
	f.next, f.progress, f.now, f.advanced = s.Next, s.Progress, s.Now, s.Advanced
	f.leader, f.epoch, f.covered, f.pending = s.Leader, s.Epoch, s.Covered, s.Pending
	f.snapshots, f.since, f.inherited = s.Snapshots, s.Since, s.Inherited
	for _, p := range s.Positions {
		f.positions[p.Partition] = p.Position
		f.asked[p.Partition] = p.Asked
	}
	for _, t := range s.Topics {
		f.topics[t.Name] = t
	}
	if s.Members != nil {
		f.members = s.Members
	}
}

// Restored is called when all is restored, the engine too: it gets the time that it had.
func (f *Fold) Restored() {
	if !f.advanced.IsZero() {
		f.o.Engine.ResumeAt(f.advanced)
	}
}
