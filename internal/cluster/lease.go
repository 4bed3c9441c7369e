package cluster

import "time"

// LeaseTime is how long a leader may notify after it has sent a tick that it has read back. The
// next leader is elected later than that.
const LeaseTime = 3 * time.Second

// TickEvery is how often a leader sends a tick.
const TickEvery = 250 * time.Millisecond

// Lease is what a leader knows of its leading. A tick that was read back proves that no other
// member had led when it was sent: a process that was stopped finds that its lease has run out
// before it has read that it was replaced. Times are of a monotonic clock.
type Lease struct {
	n     uint64
	sent  map[uint64]time.Time
	proof time.Time
	last  time.Time // when the last tick was sent
}

// Send returns the number of a tick that is sent now.
func (l *Lease) Send(now time.Time) uint64 {
	if l.sent == nil {
		l.sent = map[uint64]time.Time{}
	}
	l.n++
	l.sent[l.n], l.last = now, now
	return l.n
}

// Sent is when the last tick was sent.
func (l *Lease) Sent() time.Time { return l.last }

// Read notes which tick was read back last.
func (l *Lease) Read(n uint64) {
	if at, ok := l.sent[n]; ok && at.After(l.proof) {
		l.proof = at
	}
	for k := range l.sent {
		if k <= n {
			delete(l.sent, k)
		}
	}
}

// Valid reports whether we lead for certain.
func (l *Lease) Valid(now time.Time) bool {
	return !l.proof.IsZero() && now.Sub(l.proof) < LeaseTime
}

// End ends the lease, until a tick that is sent later is read back.
func (l *Lease) End() { l.sent, l.proof = nil, time.Time{} }
