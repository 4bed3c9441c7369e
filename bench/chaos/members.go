package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// clusterMembers are the members of a cluster. Of those that are killed, half start again at once
// and have their partitions back, some of them with an empty directory; the others stay away until
// their session has ended and their partitions have gone to another. What each has decided is
// compared as that of one is; and beside it what the receiver was notified: of every alert that it
// has ended, of no alert before it was, and of each as what it is.
type clusterMembers struct {
	members []*member
	rand    *rand.Rand
	absent  sync.WaitGroup

	mu    sync.Mutex // guards away and fault
	away  map[*member]bool
	fault error
}

// runMembers is long for the same reason as run.
func runMembers(o options) error {
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return err
	}
	if !o.keep {
		defer os.RemoveAll(dir)
	}
	log.Printf("seed %d, %d members, %d kills, %d logs, directory %s", o.seed, o.members, o.kills,
		o.logs, dir)
	addr, topic, closeBroker, err := o.makeTopic()
	if err != nil {
		return err
	}
	defer closeBroker()
	hook, err := startWebhook()
	if err != nil {
		return err
	}
	if o.without != "" {
		if err := without(o.without, dir); err != nil {
			return err
		}
	}
	lateness, real := 10*time.Second, &cluster{dir: o.cluster}
	members := addr // by which members reach the brokers
	if o.cluster != "" {
		lateness = 30 * time.Second // for what the producer buffers
	}
	if o.proxied != 0 {
		addrs, err := real.openProxies(o.proxied, len(strings.Split(addr, ",")))
		if err != nil {
			return err
		}
		members = strings.Join(addrs, ", ")
	}
	c := &clusterMembers{rand: rand.New(rand.NewPCG(o.seed, 1)), away: map[*member]bool{}}
	for i := range o.members {
		own := filepath.Join(dir, fmt.Sprint("member-", i))
		if err := os.Mkdir(own, 0o755); err != nil {
			return err
		}
		m, err := newMember(own, members, topic, hook.url, lateness, o.bin)
		if err != nil {
			return err
		}
		if err := m.start(); err != nil {
			return err
		}
		defer m.end()
		c.members = append(c.members, m)
	}
	start := time.Now().Add(2 * time.Second).Truncate(time.Second)
	w := newWorkload(o.seed, start, o.logs, o.rate)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	produced := make(chan error, 1)
	go func() { produced <- produce(ctx, addr, topic, w, o.partitions) }()
	calm := func() error { return nil }
	if o.cluster != "" {
		calm = real.watch(o.seed)
	}
	gap := time.Duration(o.logs) * time.Second / time.Duration(o.rate) / time.Duration(o.kills+1)
	for i := range o.kills {
		if !sleep(produced, time.Until(start.Add(time.Duration(i+1)*gap))-gap/2+time.Duration(
			c.rand.Int64N(int64(gap))), &err) {
			return fmt.Errorf("produce: %w", err)
		}
		if err := c.hurt(); err != nil {
			return err
		}
	}
	if err := <-produced; err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := calm(); err != nil {
		return err
	}
	c.absent.Wait()
	if o.cluster != "" {
		log.Print(real)
	}
	if c.fault != nil {
		return c.fault
	}
	log.Printf("all is written; waiting for the last windows")
	time.Sleep(time.Until(w.end.Add(longest + lateness)))
	var dirs []string
	fresh := filepath.Join(dir, "fresh")
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	m, err := newMember(fresh, members, topic, hook.url, lateness, o.bin)
	if err == nil {
		err = m.start()
	}
	if err != nil {
		return err
	}
	defer m.end()
	c.members = append(c.members, m)
	for _, m := range c.members {
		if err := m.AwaitReady(time.Minute); err != nil {
			return err
		}
	}
	// A member that was stopped takes that for an outage: no end is decided before the grace is
	// over.
	time.Sleep(longest + lateness + outageGrace)
	for _, m := range c.members {
		if err := m.stop(); err != nil {
			return err
		}
		dirs = append(dirs, filepath.Join(m.Dir, "data", "state"))
	}
	return errors.Join(c.compareEach(w, dirs, hook), framesDeleted(addr, topic))
}

// framesDeleted fails unless frames were deleted: then a member that has begun with an empty
// directory has joined from a snapshot.
func framesDeleted(addr, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(addr, ",")...))
	if err != nil {
		return err
	}
	defer client.Close()
	for _, name := range []string{topic + ".frames", topic + ".snapshots"} {
		admin := kadm.NewClient(client)
		starts, err1 := admin.ListStartOffsets(context.Background(), name)
		ends, err2 := admin.ListEndOffsets(context.Background(), name)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		start, _ := starts.Lookup(name, 0)
		end, _ := ends.Lookup(name, 0)
		log.Printf("topic %s: %d of %d records are deleted", name, start.Offset, end.Offset)
		if start.Offset == 0 {
			return fmt.Errorf("nothing of topic %s is deleted, so no member has needed a snapshot",
				name)
		}
	}
	return nil
}

// compareEach compares what each member of a cluster has decided, and what the receiver was
// notified of.
func (c *clusterMembers) compareEach(w *workload, dirs []string, hook *webhook) error {
	var failed error
	for i, dir := range dirs {
		decided, err := decisions(dir)
		if err != nil {
			return err
		}
		log.Printf("member %d of %d; the last one began with an empty directory", i+1, len(dirs))
		failed = errors.Join(failed, compare(w.expected(), decided, hook.counts()))
		if i == 0 {
			failed = errors.Join(failed, compareNotified(decided, hook.notifications))
		}
	}
	return failed
}

// hurt kills or stops one of the members that are there.
func (c *clusterMembers) hurt() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[c.rand.IntN(len(c.members))]
	for tries := 0; c.away[m]; tries++ {
		if tries == 100 {
			return c.fault // all are away, and that is trouble enough
		}
		m = c.members[c.rand.IntN(len(c.members))]
	}
	long := sessionTimeout + 2*time.Second
	switch c.rand.IntN(5) {
	case 0:
		c.leave(m, func() error { return m.pause(long) })
	case 1, 2:
		if err := m.Kill(); err != nil {
			return err
		}
		c.leave(m, func() error { time.Sleep(long); return m.start() })
	default:
		if c.rand.IntN(3) == 0 {
			if err := errors.Join(m.Kill(), os.RemoveAll(filepath.Join(m.Dir, "data"))); err != nil {
				return err
			}
			return m.start()
		}
		return m.kill()
	}
	return c.fault
}

// leave has a member be away for as long as f takes.
func (c *clusterMembers) leave(m *member, f func() error) {
	c.away[m] = true
	c.absent.Go(func() {
		err := f()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.away, m)
		if c.fault == nil {
			c.fault = err
		}
	})
}

// notification is one alert of one notification.
type notification struct {
	at               time.Time // of the clock
	id, what, status string
	merged           []string // IDs of earlier alerts that the message stands for
}

// byGroup are the alerts of each group of each rule, in their order.
func (d decided) byGroup() map[string][]episode {
	groups := map[string][]episode{}
	for _, e := range d.byID {
		groups[e.rule+" "+e.key] = append(groups[e.rule+" "+e.key], e)
	}
	for _, list := range groups {
		slices.SortFunc(list, func(a, b episode) int { return cmp.Compare(a.number, b.number) })
	}
	return groups
}

// compareNotified holds what the receiver was notified against what was decided. To the receiver,
// alerts with the same labels are one: when one has ended and the next one fires before it could be
// notified, as when a backlog is read after a kill, that goes on. Of many that came and went before
// the first could be notified, the message of a later one of the same group names the earlier ones.
func compareNotified(got decided, list []notification) error {
	type received struct{ firing, resolved int }
	byID := map[string]*received{}
	var wrong []string
	namedBy := map[string][]string{} // IDs of the alerts whose messages name one
	for _, one := range list {
		for _, id := range one.merged {
			namedBy[id] = append(namedBy[id], one.id)
			if _, known := got.byID[id]; !known {
				wrong = append(wrong, fmt.Sprintf("%s names %s, which was not decided", one.what, id))
			}
		}
		h := byID[one.id]
		if h == nil {
			h = &received{}
			byID[one.id] = h
		}
		e, known := got.byID[one.id]
		switch {
		case !known:
			wrong = append(
				wrong,
				fmt.Sprintf("%s is %s, which was not decided", one.what, one.status),
			)
		case one.status == "firing":
			h.firing++
			if h.resolved > 0 {
				wrong = append(
					wrong,
					fmt.Sprintf("%s was notified as resolved, and fires", describe(e)),
				)
			}
		default:
			h.resolved++
			if e.unresolved {
				wrong = append(wrong, fmt.Sprintf("%s is notified as resolved", describe(e)))
			}
		}
	}
	merged, onlyOver, repeated := 0, 0, 0
	for _, list := range got.byGroup() {
		up := "" // the last one whose end was not notified: what comes next continues it
		for i, e := range list {
			named := slices.ContainsFunc(list[i+1:], func(later episode) bool {
				return slices.Contains(namedBy[e.id], later.id)
			})
			h := byID[e.id]
			if h == nil {
				h = &received{}
			}
			repeated += max(0, h.firing-1) + max(0, h.resolved-1)
			switch {
			case up == "" && h.firing == 0 && h.resolved == 0 && named:
				merged++
				continue
			case up != "" && h.firing > 0:
				wrong = append(wrong, up+" was not notified to its end")
			case up != "":
				merged++
			case h.firing == 0 && h.resolved > 0:
				onlyOver++
			case h.firing == 0:
				wrong = append(wrong, describe(e)+" was not notified")
			}
			if up = ""; h.resolved == 0 && !e.unresolved {
				up = describe(e)
			}
		}
		if up != "" {
			wrong = append(wrong, up+" was not notified to its end")
		}
	}
	log.Printf(
		"%d alerts notified: %d that followed another closely notified as one with it, %d only "+
			"when they were over, %d notifications repeated, %d wrong",
		len(byID),
		merged,
		onlyOver,
		repeated,
		len(wrong),
	)
	for _, text := range wrong[:min(20, len(wrong))] {
		log.Print(text)
		for _, one := range list {
			if fields := strings.Fields(text); strings.HasSuffix(fields[0],
				"/"+strings.Fields(one.what)[0]) &&
				strings.HasSuffix(one.what, " "+fields[1]) {
				log.Printf("    notified at %s: %s, %s", one.at.Format("15:04:05.000"), one.status,
					one.id)
			}
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the receiver was notified otherwise than was decided")
	}
	return nil
}
