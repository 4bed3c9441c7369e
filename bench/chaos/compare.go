package main

import (
	"cmp"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// decided is what the engine's history says.
type decided struct {
	episodes []episode
	twice    []string // transitions that stand there more than once
}

// decisions reads the history from the engine's directory.
func decisions(dir string) (decided, error) {
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		return decided{}, err
	}
	defer s.Close()
	var d decided
	seen := map[string]bool{}
	index := map[string]int{}
	for _, a := range s.History() {
		if a.State != models.AlertFiring && a.State != models.AlertResolved {
			continue
		}
		id := fmt.Sprint(a.ID, a.State, a.At, a.StartsAt) // an alert whose beginning has moved, by logs that were out of order, is told again
		if seen[id] {
			d.twice = append(d.twice, fmt.Sprintf("%s %s of %s", a.Rule, a.State, a.Labels["key"]))
		}
		seen[id] = true
		i, known := index[a.ID]
		if !known {
			i = len(d.episodes)
			index[a.ID] = i
			d.episodes = append(d.episodes, episode{rule: a.Rule, key: a.Labels["key"], number: a.Episode, count: a.Count})
		}
		e := &d.episodes[i]
		e.from, e.to, e.unresolved, e.count = a.StartsAt, a.EndsAt, a.State == models.AlertFiring, a.Count
	}
	return d, nil
}

// compare prints what differs and fails when anything does.
func compare(want []episode, got decided, notified map[string]int) error {
	name := func(e episode) string { return fmt.Sprintf("%s %s #%d", e.rule, e.key, e.number) }
	have := map[string]episode{}
	for _, e := range got.episodes {
		have[name(e)] = e
	}
	var missing, extra, wrong, miscounted []string
	expected := map[string]bool{}
	for _, w := range want {
		expected[name(w)] = true
		g, ok := have[name(w)]
		switch {
		case !ok:
			missing = append(missing, describe(w))
		case !g.from.Equal(w.from) || g.unresolved != w.unresolved || !w.unresolved && !g.to.Equal(w.to):
			wrong = append(wrong, describe(w)+" was "+describe(g))
		case !w.unresolved && g.count != w.count:
			miscounted = append(miscounted, fmt.Sprintf("%s: %d logs, counted %d", describe(w), w.count, g.count))
		}
	}
	for _, g := range got.episodes {
		if !expected[name(g)] {
			extra = append(extra, describe(g))
		}
	}
	firing, repeated := 0, 0
	perKind := map[string]int{}
	for _, w := range want {
		_, alert, _ := strings.Cut(w.rule, "/")
		perKind[alert+" "+w.key+" firing"]++
	}
	for k, n := range notified {
		if strings.HasSuffix(k, " firing") {
			firing += n
			repeated += max(0, n-perKind[k])
		}
	}
	log.Printf("%d alerts expected, %d decided: %d missing, %d extra, %d wrong in their times, %d counts wrong, %d decided twice", len(want), len(got.episodes), len(missing), len(extra), len(wrong), len(miscounted), len(got.twice))
	log.Printf("%d notifications of firing alerts, %d more than there were alerts", firing, repeated)
	for what, list := range map[string][]string{"missing": missing, "extra": extra, "wrong": wrong, "counts": miscounted, "twice": got.twice} {
		slices.SortFunc(list, cmp.Compare)
		for _, text := range list[:min(10, len(list))] {
			log.Printf("%s: %s", what, text)
		}
	}
	if len(want) == 0 {
		return fmt.Errorf("nothing was expected, so nothing was shown")
	}
	if len(missing)+len(extra)+len(wrong)+len(miscounted)+len(got.twice) > 0 {
		return fmt.Errorf("the engine decided otherwise than an evaluator that reads the whole log once")
	}
	return nil
}

func describe(e episode) string {
	to := "still up"
	if !e.unresolved {
		to = e.to.UTC().Format(time.StampMilli)
	}
	return fmt.Sprintf("%s %s #%d %s - %s", e.rule, e.key, e.number, e.from.UTC().Format(time.StampMilli), to)
}
