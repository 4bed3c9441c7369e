package alerting_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// stored is what saves have put and deleted.
type stored map[string]string

func (s stored) put(key, value []byte) { s[string(key)] = string(value) }

func (s stored) del(key []byte) { delete(s, string(key)) }

// texts are the entries in an order that is always the same; a rule has the times in which its
// groups fired in that of a map.
func (s stored) texts(t *testing.T) map[string]string {
	texts := map[string]string{}
	for key, value := range s {
		if key[0] == 'u' {
			var r map[string]any
			if err := json.Unmarshal([]byte(value), &r); err != nil {
				t.Fatal(err)
			}
			var spans []string
			keys, _ := r["past_keys"].([]any)
			past, _ := r["past"].([]any)
			for _, p := range past {
				span := p.([]any)
				spans = append(spans, fmt.Sprint(keys[int(span[0].(float64))], span[1:]))
			}
			delete(r, "past")
			delete(r, "past_keys")
			slices.Sort(spans)
			value = fmt.Sprint(r, spans)
		}
		texts[fmt.Sprintf("%q", key)] = fmt.Sprintf("%q", value)
	}
	return texts
}

// What is saved part by part, while the engine continues, is the state at the instant at which that
// began: as if all had been saved then.
func TestSaveGoesOnBesideEngine(t *testing.T) {
	text, err := rule.Load("testdata/lifecycle.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	few := *text
	few.Rules = slices.Clone(text.Rules[:len(text.Rules)/2])
	sets := []*rule.Set{text, &few}
	overlaps := 0
	for seed := range seeds(2) {
		rng := rand.New(rand.NewPCG(seed, 3))
		parts, once := newPlay(text), newPlay(text)
		saved, want := stored{}, stored{}
		var saving *alerting.Saving
		begun := 0
		for i, r := range story(seed, 300) {
			for _, p := range []*play{parts, once} {
				r.Value = bytes.Clone(r.Value)
				p.apply([]models.Record{r})
				p.engine.Advance(r.Timestamp, p.progress(i%50 != 0))
			}
			if rng.IntN(60) == 0 {
				n := rng.IntN(len(sets))
				for _, p := range []*play{parts, once} {
					if err := p.engine.SetRules(sets[n]); err != nil {
						t.Fatal(err)
					}
				}
			}
			if alerts := once.engine.Alerts(); len(alerts) > 0 && rng.IntN(10) == 0 {
				id := alerts[rng.IntN(len(alerts))].ID
				parts.engine.Resolve(id, "by hand")
				once.engine.Resolve(id, "by hand")
			}
			if saving == nil {
				if rng.IntN(4) == 0 {
					full := len(want) == 0 || rng.IntN(8) == 0
					if full {
						clear(saved)
						clear(want)
					}
					saving, begun = parts.engine.BeginSave(full), i
					once.engine.Save(full, want.put, want.del)
				}
				continue
			}
			if saving.Next(rng.IntN(3), saved.put, saved.del) {
				continue
			}
			if saving = nil; i > begun+1 {
				overlaps++
			}
			if diff := cmp.Diff(want.texts(t), saved.texts(t)); diff != "" {
				t.Fatalf("seed %d, log %d (-at once +beside the engine):\n%s", seed, i, diff)
			}
		}
		parts.engine.Advance(monday.Add(100*time.Hour), parts.progress(true))
		once.engine.Advance(monday.Add(100*time.Hour), once.progress(true))
		if a, b := outcomes(once.alerts), outcomes(parts.alerts); !slices.Equal(a, b) {
			t.Fatalf("seed %d: the alerts are others:\n%s", seed, cmp.Diff(a, b))
		}
	}
	if overlaps < 10 {
		t.Errorf("%d saves that logs came in between show too little", overlaps)
	}
}

// A group that ends while it is saved, and one that begins then under the same key, are kept apart:
// the save has the first one, and the next save the second.
func TestSaveHasGroupsThatEnd(t *testing.T) {
	set := readRules(t, "groups: [{name: g, rules: [{alert: A, when: count() > 5, window: 1m, by: [host]}]}]")
	p, saved := newPlay(set), stored{}
	at := monday
	log := func(host string) {
		p.engine.Apply(p.engine.NewScanner().Scan([]models.Record{{
			Topic: "logs", Offset: p.next[0], Timestamp: at,
			Value: fmt.Appendf(nil, `{"timestamp":%q,"host":%q,"message":"m"}`,
				at.Format(time.RFC3339Nano), host),
		}}))
		p.next[0]++
		p.engine.Advance(at, p.progress(true))
	}
	groups := func() (n int) {
		for key := range saved {
			if strings.HasPrefix(key, "g") {
				n++
			}
		}
		return n
	}
	for i := range 100 {
		log(fmt.Sprint("host", i))
	}
	s := p.engine.BeginSave(true)
	at = at.Add(10 * time.Minute)
	p.engine.Advance(at, p.progress(true)) // they end
	log("host7")
	log("another")
	for s.Next(1, saved.put, saved.del) {
	}
	if n := groups(); n != 100 {
		t.Errorf("the save has %d groups, of 100 that there were when it began", n)
	}
	p.engine.Save(false, saved.put, saved.del)
	if n := groups(); n != 2 {
		t.Errorf("the next save has %d groups, of 2 that there are", n)
	}
}

// So are groups that make room for others.
func TestSaveHasGroupsThatMakeRoom(t *testing.T) {
	w := newWorld(t, `
groups:
- name: g
  rules:
  - {alert: New, match: 'user:*', by: [h], when: new(user) > 0, window: 1m, remember: 3h, limit: 1}
`)
	w.log(0, `"user":"u","h":"first"`)
	w.time(10 * time.Minute)
	saved := stored{}
	s := w.engine.BeginSave(true)
	w.log(10*time.Minute, `"user":"u","h":"second"`)
	if s := w.engine.Stats(); s.Groups != 1 || s.Refused != 0 {
		t.Fatalf("%d groups, %d refused; the first one makes no room", s.Groups, s.Refused)
	}
	for s.Next(1, saved.put, saved.del) {
	}
	for key := range saved {
		if key[0] == 'g' && strings.Contains(key, "first") {
			return
		}
	}
	t.Errorf("the save lacks the group that there was when it began: %q", saved)
}

// Two saves at once would each miss what the other has.
func TestSavesDoNotOverlap(t *testing.T) {
	set := readRules(t, "groups: [{name: g, rules: [{alert: A, when: count() > 5, window: 1m}]}]")
	p := newPlay(set)
	p.live(set, story(1, 10), 0)
	p.engine.BeginSave(true)
	defer func() {
		if recover() == nil {
			t.Error("a second save begins beside the first one")
		}
	}()
	p.engine.BeginSave(true)
}
