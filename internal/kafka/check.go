package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/wait"
)

// check returns once a broker has answered and all topics exist. Before the first success it
// fails for problems that need an operator, such as refused credentials or a missing topic. An
// unreachable broker is retried and reported; after the first success, so is everything else.
func (g *groupConsumer) check(ctx context.Context) error {
	backoff, refused, missing := 250*time.Millisecond, 0, 0
	for {
		unknown, err := g.checkOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && len(unknown) == 0:
			g.problems.clear("connect")
			return nil
		case err == nil:
			// A new topic is not known to all brokers at once.
			if missing++; missing >= 5 && !g.everOpened {
				if err := unknownTopics(ctx, g.admin(), unknown); err != nil {
					return err
				}
			}
			if g.everOpened {
				g.problems.set("connect", fmt.Errorf("topics do not exist any more: %s",
					strings.Join(unknown, ", ")))
				g.limited.warn("gone", "topics do not exist any more; waiting for them",
					"topics", strings.Join(unknown, ","))
			}
		case needsOperator(err) && !g.everOpened:
			return withHint(err)
		default:
			if isDisconnect(err) && !g.everOpened {
				if refused++; refused == 5 {
					return withHint(err)
				}
			}
			g.problems.set("connect", err)
			g.noteUnreachable()
			g.limited.warn(
				"connect "+err.Error(), // a new reason is logged at once
				"no broker answers; retrying",
				"brokers", strings.Join(g.cfg.Brokers, ","), "error", withHint(err),
			)
		}
		if !wait.Sleep(ctx, backoff) {
			return ctx.Err()
		}
		backoff = min(2*backoff, 5*time.Second)
	}
}

// checkOnce returns the topics that do not exist.
func (g *groupConsumer) checkOnce(ctx context.Context) (unknown []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	meta, err := g.metadata(ctx)
	if err != nil {
		_, network := g.problems.network()
		if network != nil && (errors.Is(err, context.DeadlineExceeded) || needsOperator(network)) {
			return nil, network
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
	g.checkPatterns(meta)
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	g.assignment.cluster = meta.Cluster
	if g.starts.initialTopics == nil {
		g.starts.initialTopics = map[string]bool{}
		for name := range meta.Topics {
			g.starts.initialTopics[name] = true
		}
	}
	return nil, nil
}

// checkPatterns reports topic patterns that match nothing: a typing error, or topics that we may
// not see. Topics that are created later are found all the same.
func (g *groupConsumer) checkPatterns(meta kadm.Metadata) {
	if len(g.cfg.patterns) == 0 {
		return
	}
	names := readable(meta.Topics, g.cfg.exclude)
	if slices.ContainsFunc(names, func(name string) bool {
		return matchesAny(g.cfg.patterns, name)
	}) {
		g.problems.clear("patterns")
		return
	}
	err := noTopicMatches(g.cfg.patterns, names)
	g.problems.set("patterns", err)
	g.limited.warn("patterns", "no topic to read yet", "error", err)
}

// readable are the names of topics that patterns may match.
func readable(topics kadm.TopicDetails, exclude []string) []string {
	return slices.DeleteFunc(topics.Names(), func(name string) bool {
		return topics[name].IsInternal || slices.Contains(exclude, name)
	})
}

// matchesAny reports whether a topic matches one of some patterns. Those that are not valid match
// nothing; a configuration with one is refused.
func matchesAny(patterns []string, topic string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		e, err := regexp.Compile(pattern)
		return err == nil && e.MatchString(topic)
	})
}

// noTopicMatches is the error of patterns that match none of the topics that we see.
func noTopicMatches(patterns, names []string) error {
	const most = 5
	visible := "no topic is visible"
	if len(names) > 0 {
		visible = "visible are " + strings.Join(names[:min(len(names), most)], ", ")
		if len(names) > most {
			visible += fmt.Sprintf(" and %d more", len(names)-most)
		}
	}
	return fmt.Errorf(
		"topic patterns %q match no topic; %s (check the patterns, or allow DESCRIBE on the topics)",
		patterns,
		visible,
	)
}

// metadata describes our topics, or all topics when there are patterns.
func (g *groupConsumer) metadata(ctx context.Context) (kadm.Metadata, error) {
	if len(g.cfg.patterns) > 0 {
		return g.admin().Metadata(ctx)
	}
	return g.admin().Metadata(ctx, g.cfg.topics...)
}

// unknownTopics is an error that names missing topics and suggests existing ones; nil when they
// exist in the meantime.
func unknownTopics(ctx context.Context, admin *kadm.Client, unknown []string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var there []string
	if all, err := admin.ListTopics(ctx); err == nil {
		there = slices.DeleteFunc(all.Names(), func(name string) bool { return !all.Has(name) })
	}
	var errs []error
	for _, t := range unknown {
		if slices.Contains(there, t) { // created in the meantime
			continue
		}
		errs = append(errs, fmt.Errorf("topic %q does not exist%s", t, suggestTopic(t, there)))
	}
	return errors.Join(errs...)
}

// suggestTopic is a hint for a missing topic.
func suggestTopic(topic string, existing []string) string {
	if len(existing) == 0 {
		return "; create it first"
	}
	if near := problem.Closest(topic, existing); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	slices.Sort(existing)
	if len(existing) > 5 {
		return fmt.Sprintf(
			"; create it first, or read one of the %d others, such as %s",
			len(existing),
			strings.Join(existing[:5], ", "),
		)
	}
	return "; create it first, or read one of " + strings.Join(existing, ", ")
}

// needsOperator reports whether retrying is useless: credentials, permissions or TLS are wrong.
func needsOperator(err error) bool {
	for _, e := range []error{
		kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState,
		kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.InvalidTopicException, kerr.InvalidGroupID,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var credentials *credentialsError
	return certificate(err) || clientCertificateDemanded(err) ||
		errors.Is(err, errTLSExpected) || errors.As(err, &credentials)
}

// TLS alerts by which a broker refuses a client certificate (RFC 8446, section 6).
var certificateAlerts = map[uint64]bool{
	42: true, 43: true, 44: true, 45: true, 46: true, 48: true, 49: true, 116: true,
}

// clientCertificateDemanded reports whether the broker has ended the TLS handshake over our
// certificate. The alert's type is not exported; its number is its value.
func clientCertificateDemanded(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	v := reflect.ValueOf(op.Err)
	return v.Kind() == reflect.Uint8 && certificateAlerts[v.Uint()]
}

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

// isDisconnect reports whether the broker closed the connection. It does so when it expects TLS
// or SASL, and also while it shuts down.
func isDisconnect(err error) bool {
	var eof *kgo.ErrFirstReadEOF
	return errors.As(err, &eof) || errors.Is(err, io.EOF)
}

// withHint adds the likely cause and the next step to an error.
func withHint(err error) error {
	hint := ""
	var header tls.RecordHeaderError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		hint = "the broker refuses the credentials; check the SASL mechanism, user name and " +
			"password"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		hint = "the broker does not offer this SASL mechanism; configure another"
	case errors.Is(err, kerr.IllegalSaslState):
		hint = "this listener has no SASL; remove kafka.sasl, or use the port of a listener " +
			"with SASL"
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		hint = "we may not read the topic; allow READ and DESCRIBE on it"
	case errors.Is(err, kerr.FencedInstanceID):
		hint = "another process of the group has our instance_id; give each its own, or stop the " +
			"other"
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		hint = "the group's members use another protocol or assignor, or it is a share group; " +
			"use another group"
	case errors.Is(err, kerr.GroupMaxSizeReached):
		hint = "the group has as many members as the brokers allow (group.max.size)"
	case errors.Is(err, kerr.InvalidSessionTimeout):
		hint = "the brokers allow other session timeouts (group.min.session.timeout.ms, " +
			"group.max.session.timeout.ms)"
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		hint = "we may not use the consumer group; allow READ on it"
	case errors.As(err, &header):
		hint = "the broker does not speak TLS on this port; turn TLS off, or use its TLS port"
	case errors.Is(err, errTLSExpected):
		hint = "the broker speaks TLS on this port; turn TLS on (kafka.tls), or use its plain port"
	case errors.Is(err, io.EOF):
		hint = "the broker closes the connection; check the SASL mechanism, user name and " +
			"password, and whether it requires TLS"
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "no broker listens there; check the address of the brokers"
	case errors.Is(err, syscall.ECONNRESET):
		hint = "the broker closes the connection; check whether this port requires TLS, or has none"
	case clientCertificateDemanded(err):
		hint = "the broker refuses our client certificate, or demands one; check tls.cert_file " +
			"and tls.key_file"
	case certificate(err):
		hint = "the TLS connection is refused; check the CA, the client certificate and the " +
			"server name"
	}
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, hint)
}

// noteUnreachable notes that no broker was reachable.
func (g *groupConsumer) noteUnreachable() {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	g.starts.unreachable = true
}
