package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// While a partition cannot be reached, producers buffer. When it is back, it has no records of that
// time for a while: that is not silence, and what then comes is not late. So after an outage the
// watermark of the partition stands still until producers have delivered.
//
// How long that takes follows from their defaults. A client doubles its pause between connection
// attempts up to a maximum: librdkafka (also in Fluent Bit, Vector and rsyslog) 10 s, Java 1 s,
// franz-go 5 s. Jitter makes a pause up to twice as long as all before it together, so a client is
// back after twice the outage or its longest pause, whichever is less. One that connects to several
// addresses in turn takes longer, at most as long again as the outage was. Then it sends what it
// has buffered, in order, and only then logs of the present. So the watermark moves on when logs of
// the present come and none of the past any more, and at the latest after the configured time.
//
//	          outage                  settling
//	  |----------------------|------------------------------|
//	last answer          first answer,                 present logs only, after the outage's
//	                     watermark stands still        length, reconnectMin to reconnectMax; or
//	                                                   outage_grace has passed

const (
	outageMin      = 5 * time.Second  // shorter gaps are covered by the lateness of rules
	reconnectMin   = 10 * time.Second // the longest pause of a client before it connects again
	reconnectMax   = 20 * time.Second // the longest of one with several addresses
	reconnectSlack = 2 * time.Second
	drainedAfter   = 5 * time.Second // without a log of the time before the end of the outage
	// OutageGrace is the default of SourceConfig.OutageGrace.
	OutageGrace = time.Minute
)

// availability is when a partition could be reached. All times are of the clock of the rules.
type availability struct {
	answered time.Time     // the last answer
	outage   time.Duration // the length of the last outage
	ended    time.Time     // its end; zero when producers have delivered since
	began    time.Time     // when the wait for them began
	buffered time.Time     // when the last log of the time before the end was read
	present  bool          // logs of the time after the end were read
}

// answer notes that the partition could be reached, and whether that ends an outage.
func (a *availability) answer(now time.Time) (ended bool) {
	if gap := now.Sub(a.answered); !a.answered.IsZero() && gap > outageMin {
		a.end(now, gap)
		ended = true
	}
	a.answered = now
	return ended
}

// end notes that an outage has ended.
func (a *availability) end(now time.Time, outage time.Duration) {
	if a.ended.IsZero() {
		a.outage = 0
	}
	a.outage = max(a.outage, outage)
	a.ended, a.began, a.buffered, a.present = now, now, time.Time{}, false
}

// prolong notes time without an answer that may have been an outage. Producers may bring logs of it
// that look like those after the outage before. The wait as a whole is bounded, or a loop of
// crashes would wait forever.
func (a *availability) prolong(now time.Time, outage time.Duration) {
	began := a.began
	if a.end(now, outage); !began.IsZero() {
		a.began = began
	}
}

// read notes a record.
func (a *availability) read(now, written time.Time) {
	switch {
	case a.ended.IsZero():
	case written.Before(a.ended):
		a.buffered = now
	default:
		a.present = true
	}
}

// settling reports whether producers may not have delivered yet what they have buffered.
func (a *availability) settling(now time.Time, grace time.Duration) bool {
	if a.ended.IsZero() {
		return false
	}
	since := now.Sub(a.ended)
	reconnected := max(reconnectMin, min(a.outage, reconnectMax)) + reconnectSlack
	delivered := a.present && since >= reconnected && now.Sub(a.buffered) >= drainedAfter
	if delivered || since >= grace || now.Sub(a.began) >= 2*grace {
		a.ended, a.began = time.Time{}, time.Time{}
		return false
	}
	return true
}

// save keeps with the position of the partition what the next start must know.
func (a *availability) save(at *models.SourcePosition) {
	if a == nil {
		return
	}
	if at.Answered = a.answered; !a.ended.IsZero() {
		at.OutageEnded, at.Outage, at.WaitBegan = a.ended, a.outage, a.began
	}
}

// reachable notes which partitions answered a probe. The caller holds mu.
func (g *groupConsumer) reachable(parts []*partition) {
	now := g.clock.at(time.Now())
	jump := g.clock.takeJump()
	var back []*partition
	for _, p := range parts {
		a := g.assignment.availability[p.Partition]
		if a == nil {
			a = &availability{}
			g.assignment.availability[p.Partition] = a
		}
		if jump > outageMin {
			a.answered = now.Add(-jump)
		}
		if a.answer(now) {
			back = append(back, p)
		}
	}
	g.reportOutage(back, jump <= outageMin)
	g.starts.unreachable = g.starts.unreachable && len(parts) == 0
}

// unassignedMax bounds how long partitions that no member reads hold back their topic.
const unassignedMax = 2 * time.Minute

// noteUnassigned takes the partitions that a probe has listed. One that was created a moment ago
// is not assigned to us yet: its logs are not read, so nothing is known of silence in its topic.
// The caller holds mu.
func (g *groupConsumer) noteUnassigned(ends kadm.ListedOffsets) {
	unassigned := map[string]time.Time{}
	ends.Each(func(o kadm.ListedOffset) {
		if g.assignment.parts[models.Partition{Topic: o.Topic, Partition: o.Partition}] == nil {
			unassigned[o.Topic] = time.Now()
		}
	})
	if len(unassigned) > 0 && (len(g.assignment.parts) == 0 || !g.exclusive()) {
		clear(unassigned) // other members read them
	}
	for topic := range unassigned {
		if since, ok := g.unassigned[topic]; ok {
			unassigned[topic] = since
		} else {
			g.log.Info("partitions are not assigned yet; looking for them", "topic", topic)
		}
	}
	if g.unassigned = unassigned; len(unassigned) > 0 && g.client != nil {
		g.client.ForceMetadataRefresh()
	}
}

// reportOutage reports partitions that wait for producers: because they could not be reached for
// certain, or because this process did not ask, as it was stopped or suspended.
func (g *groupConsumer) reportOutage(back []*partition, certain bool) {
	if len(back) == 0 {
		return
	}
	var longest time.Duration
	for _, p := range back {
		longest = max(longest, g.assignment.availability[p.Partition].outage)
	}
	names := partitionNames(back)
	gap := duration.Format(longest.Round(time.Second))
	atMost := duration.Format(g.cfg.outageGrace)
	if certain {
		g.log.Warn("partitions were unreachable; silence and ends of alerts are decided when "+
			"producers have delivered what they buffered",
			"partitions", names, "unreachable", gap, "at_most", atMost)
		return
	}
	g.log.Info("partitions were not read for a while, and nothing tells whether producers could "+
		"reach them; silence and ends of alerts are decided when they would have delivered",
		"partitions", names, "not_read", gap, "at_most", atMost)
}

// settling reports whether a partition still waits for producers after an outage, or for other
// partitions of its topic. The caller holds mu.
func (g *groupConsumer) settling(p *partition) bool {
	if since, ok := g.unassigned[p.Topic]; ok && time.Since(since) < unassignedMax {
		return true
	}
	a := g.assignment.availability[p.Partition]
	return a != nil && a.settling(g.clock.at(time.Now()), g.cfg.outageGrace)
}

// noteRead passes a partition's records on to its availability. The caller holds mu.
func (g *groupConsumer) noteRead(p *partition, written time.Time) {
	if a := g.assignment.availability[p.Partition]; a != nil && !a.ended.IsZero() {
		a.read(g.clock.at(time.Now()), written)
	}
}
