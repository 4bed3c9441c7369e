package notify

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// admission decides which alerts are handed to Alertmanager's parts while more fire than they can
// take. Alerts that are in stay in. When the places are taken, a part of as many again is reserved:
// each rule gets a few of them, one of a page severity more, so a flood of one rule does not hold
// back the others. The others wait, those of a rule and a share in a queue, the oldest first.
type admission struct {
	within   int            // alerts in ordinary places
	reserved int            // alerts in reserved places
	byRule   map[string]int // reserved places taken
	waiting  map[waitingRule]*waitingQueue
	freed    bool // a place was freed since the queues were looked at
}

func newAdmission() admission {
	return admission{byRule: map[string]int{}, waiting: map[waitingRule]*waitingQueue{}}
}

// waitingRule is whose alerts wait in one queue: they have a share together.
type waitingRule struct {
	rule string
	page bool
}

// waiting is an alert that waits for a place, with its age as it began to wait.
type waiting struct {
	s         *state
	rule      waitingRule
	since, at time.Time
	id        string
}

func (w *waiting) compare(other *waiting) int {
	return cmp.Or(w.since.Compare(other.since), w.at.Compare(other.at),
		strings.Compare(w.id, other.id), cmp.Compare(w.s.fp, other.s.fp))
}

// waitingQueue is a heap of alerts that wait, some of which have ceased to.
type waitingQueue struct {
	heap  []*waiting
	count int // that do wait
}

func (q *waitingQueue) Len() int           { return len(q.heap) }
func (q *waitingQueue) Less(i, j int) bool { return q.heap[i].compare(q.heap[j]) < 0 }
func (q *waitingQueue) Swap(i, j int)      { q.heap[i], q.heap[j] = q.heap[j], q.heap[i] }
func (q *waitingQueue) Push(w any)         { q.heap = append(q.heap, w.(*waiting)) }

func (q *waitingQueue) Pop() any {
	last := len(q.heap) - 1
	w := q.heap[last]
	q.heap[last] = nil
	q.heap = q.heap[:last]
	return w
}

// oldest is the alert that has waited for longest; nil if none waits.
func (q *waitingQueue) oldest() *waiting {
	for len(q.heap) > 0 && q.heap[0].s.waits != q.heap[0] {
		heap.Pop(q)
	}
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// admit gives an alert a place, or has it wait for one.
func (q *admission) admit(s *state, limit int) bool {
	if q.place(s, limit) {
		q.stopWaiting(s)
		return true
	}
	if s.waits == nil {
		last := s.last()
		rule := waitingRule{s.rule(), isPage(s)}
		s.waits = &waiting{s, rule, last.Since, last.Alert.At, last.Alert.ID}
		if q.waiting[rule] == nil {
			q.waiting[rule] = &waitingQueue{}
		}
		heap.Push(q.waiting[rule], s.waits)
		q.waiting[rule].count++
	}
	return false
}

// place takes a place for an alert, if there is one.
func (q *admission) place(s *state, limit int) bool {
	rule := s.rule()
	switch {
	case internalAlert(s.rule()), s.Labels.get("alertname") == models.GroupLimitAlert:
	case q.within < limit:
		q.within++
		return true
	case q.reserved < limit/2 && q.byRule[rule] < share(s, limit):
	default:
		return false
	}
	q.reserved++
	q.byRule[rule]++
	s.reserved = true
	return true
}

// next gives a place that was freed to the alert that has waited for longest of those that there is
// one for; nil if there is none.
func (q *admission) next(limit int) *state {
	if !q.freed {
		return nil
	}
	var oldest []*waiting
	for _, queue := range q.waiting {
		if w := queue.oldest(); w != nil {
			oldest = append(oldest, w)
		}
	}
	slices.SortFunc(oldest, (*waiting).compare)
	for _, w := range oldest {
		if q.place(w.s, limit) {
			q.stopWaiting(w.s)
			return w.s
		}
	}
	q.freed = false
	return nil
}

// stopWaiting notes that an alert waits no more.
func (q *admission) stopWaiting(s *state) {
	if s.waits == nil {
		return
	}
	queue := q.waiting[s.waits.rule]
	if queue.count--; queue.count == 0 {
		delete(q.waiting, s.waits.rule)
	}
	s.waits = nil
}

// share is how many reserved places a rule has.
func share(s *state, limit int) int {
	if isPage(s) {
		return limit / 10
	}
	return limit / 100
}

func isPage(s *state) bool {
	return models.IsPage(s.last().Alert.Severity) || models.IsPage(s.Labels.get("severity"))
}

func (q *admission) release(s *state) {
	q.stopWaiting(s)
	q.freed = q.freed || !s.sent.IsZero()
	switch {
	case s.sent.IsZero():
	case s.reserved:
		q.reserved--
		if rule := s.rule(); q.byRule[rule] > 1 {
			q.byRule[rule]--
		} else {
			delete(q.byRule, rule)
		}
		s.reserved = false
	default:
		q.within--
	}
}

// held is how many alerts wait for a place, and the rule with most of them.
func (q *admission) held() (alerts int, rule string) {
	most := 0
	byRule := map[string]int{}
	for of, queue := range q.waiting {
		byRule[of.rule] += queue.count
	}
	for name, n := range byRule {
		alerts += n
		if n > most || n == most && name < rule {
			most, rule = n, name
		}
	}
	return alerts, rule
}

// health returns an error while alerts wait for a place.
func (b *states) health() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, rule := b.admitted.held()
	if n == 0 {
		return nil
	}
	return fmt.Errorf(
		"%d alerts wait to be notified, most of rule %s, because %d alerts fire already; "+
			"give the rule fewer groups (a silence does not help)",
		n, rule, b.admitted.within,
	)
}
