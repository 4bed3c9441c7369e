package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// check returns once a broker has answered and has all topics. What nobody but an operator can mend
// is an error that says how: refused credentials, a topic that is not there. A broker that cannot
// be reached is waited for, and reported; and so is all else once everything was well.
func (g *groupConsumer) check(ctx context.Context) error {
	backoff, refused, missing := 250*time.Millisecond, 0, 0
	for {
		unknown, err := g.checkOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && len(unknown) == 0:
			g.clearProblem("connect")
			return nil
		case err == nil:
			// A topic that was created just now is not known to all brokers yet.
			if missing++; missing >= 5 && !g.everOpened {
				if err := unknownTopics(ctx, g.admin, unknown); err != nil {
					return err
				}
			}
			if g.everOpened {
				g.setProblem("connect", fmt.Errorf("topics are gone: %s", strings.Join(unknown, ", ")))
				g.limited.warn(
					"gone",
					"topics are gone; waiting for them to come back",
					"topics",
					strings.Join(unknown, ","),
				)
			}
		case needsOperator(err) && !g.everOpened:
			return withHint(err)
		default:
			if isDisconnect(err) && !g.everOpened {
				if refused++; refused == 5 {
					return withHint(err)
				}
			}
			g.setProblem("connect", err)
			g.limited.warn(
				"connect",
				"no broker answers; trying again",
				"brokers",
				strings.Join(g.cfg.Brokers, ","),
				"error",
				withHint(err),
			)
		}
		if !sleep(ctx, backoff) {
			return ctx.Err()
		}
		backoff = min(2*backoff, 5*time.Second)
	}
}

// checkOnce returns the topics that are not there.
func (g *groupConsumer) checkOnce(ctx context.Context) (unknown []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	meta, err := g.metadata(ctx)
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.networkErr != nil && (errors.Is(err, context.DeadlineExceeded) || needsOperator(g.networkErr)) {
			return nil, g.networkErr
		}
		return nil, err
	}
	for _, t := range g.cfg.topics {
		switch err := meta.Topics[t].Err; {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			unknown = append(unknown, t)
		case err != nil && !kerr.IsRetriable(err):
			return nil, fmt.Errorf("topic %q: %w", t, err)
		case err != nil:
			return nil, err
		}
	}
	if len(unknown) > 0 {
		return unknown, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cluster = meta.Cluster
	if g.initialTopics == nil {
		g.initialTopics = map[string]bool{}
		for name := range meta.Topics {
			g.initialTopics[name] = true
		}
	}
	return nil, nil
}

// metadata is that of our topics, and of all topics when some are named by a pattern.
func (g *groupConsumer) metadata(ctx context.Context) (kadm.Metadata, error) {
	if len(g.cfg.patterns) > 0 {
		return g.admin.Metadata(ctx)
	}
	return g.admin.Metadata(ctx, g.cfg.topics...)
}

// unknownTopics is an error that names topics that are not there, and what else is; nil when they
// are there after all.
func unknownTopics(ctx context.Context, admin *kadm.Client, unknown []string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var there []string
	if all, err := admin.ListTopics(ctx); err == nil {
		there = slices.DeleteFunc(all.Names(), func(name string) bool { return !all.Has(name) })
	}
	var errs []error
	for _, t := range unknown {
		if slices.Contains(there, t) { // created meanwhile
			continue
		}
		errs = append(errs, fmt.Errorf("topic %q does not exist%s", t, didYouMean(t, there)))
	}
	return errors.Join(errs...)
}

// didYouMean names the nearest of the topics that are there.
func didYouMean(topic string, there []string) string {
	if len(there) == 0 {
		return "; create it first"
	}
	near := slices.MinFunc(there, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(topic, a), distance(topic, b)), strings.Compare(a, b))
	})
	if distance(topic, near) <= max(2, len(topic)/3) {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	slices.Sort(there)
	if len(there) > 5 {
		return fmt.Sprintf(
			"; create it first, or read one of the %d others, such as %s",
			len(there),
			strings.Join(there[:5], ", "),
		)
	}
	return "; create it first, or read one of " + strings.Join(there, ", ")
}

// distance is how many letters have to be changed, added or dropped to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// fatal says whether only an operator can mend what is wrong.
func needsOperator(err error) bool {
	for _, e := range []error{
		kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.InvalidTopicException, kerr.InvalidGroupID,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return certificate(err) || strings.Contains(err.Error(), "no AWS credentials") ||
		strings.Contains(err.Error(), "read token:") ||
		refusedMechanism(err)
}

// refusedMechanism says whether the broker does not speak our SASL mechanism; the client has no
// type for that.
func refusedMechanism(err error) bool { return strings.Contains(err.Error(), "mechanism") }

func certificate(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	var verify *tls.CertificateVerificationError
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) ||
		errors.As(err, &header) ||
		errors.As(err, &alert) ||
		errors.As(err, &verify)
}

// closed says whether the broker hung up on us, as it does when it expects TLS or SASL, but also
// when it is about to stop.
func isDisconnect(err error) bool {
	var eof *kgo.ErrFirstReadEOF
	return errors.As(err, &eof) || errors.Is(err, io.EOF)
}

// hinted adds to an error what to do about it.
func withHint(err error) error {
	hint := ""
	var header tls.RecordHeaderError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		hint = "the broker refuses the credentials; check the SASL mechanism, user name and password"
	case errors.Is(err, kerr.UnsupportedSaslMechanism), refusedMechanism(err):
		hint = "the broker does not know the SASL mechanism; try another"
	case errors.Is(err, kerr.IllegalSaslState):
		hint = "the broker wants us to authenticate; configure SASL"
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		hint = "we may not read the topic; allow READ and DESCRIBE on it"
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		hint = "we may not use the consumer group; allow READ on it"
	case errors.As(err, &header):
		hint = "the broker does not speak TLS on this port; turn TLS off, or use its TLS port"
	case errors.Is(err, io.EOF):
		hint = "the broker hangs up; check the SASL mechanism, user name and password, and whether it wants TLS"
	case certificate(err):
		hint = "the TLS connection is refused; check the CA, the client certificate and the server name"
	}
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, hint)
}

// pause waits, and returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// has notes a problem until it is solved.
func (g *groupConsumer) setProblem(what string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.setProblemLocked(what, err)
}

func (g *groupConsumer) setProblemLocked(what string, err error) {
	since := time.Now()
	if old, ok := g.problems[what]; ok {
		since = old.since
	}
	g.problems[what] = problem{err, since}
}

func (g *groupConsumer) clearProblem(what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.problems, what)
}
