package web

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// pageUpdates tells open pages that they may have changed.
type pageUpdates struct {
	state    *engineState
	health   *health
	pages    *pages
	stopping <-chan struct{} // ends all streams
	pulse    pulse           // fingerprint of the alerts, shared by all open pages
}

func (u *pageUpdates) routes() []route {
	return []route{{"GET /changes", Reader, updates, api(u.stream)}}
}

// stream sends a server-sent event when a page may have changed, at most once a second.
func (u *pageUpdates) stream(w http.ResponseWriter, r *http.Request) error {
	out, err := newStream(w)
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last uint64
	for beat := 0; ; beat++ {
		// Values, logs and health change without a transition, so pages are refreshed every ten
		// seconds in any case.
		if now := u.pulse.value(u.fingerprint); now != last || beat%10 == 0 {
			last = now
			if out.send("change", u.topBarText()) != nil {
				return nil
			}
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-u.stopping:
			return nil
		case <-tick.C:
		}
	}
}

// pulse caches a value for half a second for all streams.
type pulse struct {
	mu   sync.Mutex // guards what follows
	at   time.Time
	last uint64
}

func (p *pulse) value(compute func() uint64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.at) > 500*time.Millisecond {
		p.last, p.at = compute(), now
	}
	return p.last
}

// fingerprint changes with the set of alerts, their states and counts.
func (u *pageUpdates) fingerprint() uint64 {
	hash := fnv.New64a()
	list := u.state.current()
	for i := range list {
		fmt.Fprintf(hash, "%s %s %d\n", list[i].ID, list[i].State, list[i].Count)
	}
	return hash.Sum64()
}

// topBarText is the top bar for the script.
func (u *pageUpdates) topBarText() map[string]any {
	t := u.pages.topBar()
	title := u.health.certainty().Headline
	if t.Firing > 0 {
		title = fmt.Sprintf("(%d) firing", t.Firing)
	}
	return map[string]any{
		"firing": t.Firing, "healthy": t.Healthy, "problem": safetext.Visible(t.Problem),
		"title": title,
	}
}
