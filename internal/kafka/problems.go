package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// problems are the reasons why nothing can be read, or not all of it. As a hook of the client it
// notes whether brokers are reachable and why we left the group.
type problems struct {
	cfg      groupConfig
	counters *counters
	limited  *rateLimitedLogger

	mu           sync.Mutex               // guards the fields below; taken after the assignment's
	list         map[string]healthProblem // by subject
	networkErr   error                    // of the last connection attempt; nil for success
	networkSince time.Time
}

// healthProblem is a reason why nothing can be read.
type healthProblem struct {
	err   error
	since time.Time
}

func newProblems(cfg groupConfig, count *counters, limited *rateLimitedLogger) *problems {
	return &problems{
		cfg: cfg, counters: count, limited: limited, list: map[string]healthProblem{},
	}
}

// OnBrokerConnect records whether brokers are reachable.
func (p *problems) OnBrokerConnect(
	meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error,
) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.networkErr = nil
		return
	}
	if p.networkErr == nil {
		p.networkSince = time.Now()
	}
	p.networkErr = fmt.Errorf("connect to %s:%d: %w", meta.Host, meta.Port, err)
	addr := net.JoinHostPort(meta.Host, fmt.Sprint(meta.Port))
	if meta.NodeID < 0 || slices.Contains(p.cfg.Brokers, addr) || !isUnreachable(err) {
		return
	}
	p.networkErr = fmt.Errorf(
		"%w: the brokers advertise this address, but it is not reachable from here (check "+
			"advertised.listeners, or use the listener for this network)",
		p.networkErr,
	)
	p.limited.warn("advertised "+addr, "a broker is not reachable", "error", p.networkErr)
}

// isUnreachable reports whether nothing answers at an address.
func isUnreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial" ||
		errors.Is(err, context.DeadlineExceeded)
}

// OnGroupManageError logs why we left the group.
func (p *problems) OnGroupManageError(err error) {
	p.counters.errors.add("group", 1)
	stays := needsOperator(err) || errors.Is(err, kerr.FencedInstanceID) ||
		errors.Is(err, kerr.InconsistentGroupProtocol)
	err = withHint(err)
	p.limited.warn(
		"group "+err.Error(), // a new reason is logged at once
		"left the consumer group; rejoining", "group", p.cfg.group, "error", err,
	)
	if stays {
		p.set("group", err)
	}
}

// set records a problem until clear is called.
func (p *problems) set(what string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := time.Now()
	if old, ok := p.list[what]; ok {
		since = old.since
	}
	p.list[what] = healthProblem{err, since}
}

func (p *problems) clear(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.list, what)
}

// setOrClear records a problem, or its end.
func (p *problems) setOrClear(what string, err error) {
	if err == nil {
		p.clear(what)
		return
	}
	p.set(what, err)
}

// has reports whether there is a problem of a subject.
func (p *problems) has(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.list[what]
	return known
}

// network is since when brokers are not reachable, and why; nil if they are.
func (p *problems) network() (since time.Time, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.networkSince, p.networkErr
}

// texts describe the problems in the order of their subjects. Minor ones keep no log from being
// evaluated.
func (p *problems) texts() (major, minor []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(p.list)) {
		if text := p.list[what].err.Error(); slices.Contains(minorProblems, what) {
			minor = append(minor, text)
		} else {
			major = append(major, text)
		}
	}
	return major, minor
}
