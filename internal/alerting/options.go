package alerting

import (
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Option changes how an engine is made.
type Option func(*options)

type options struct {
	rules       *rule.Set // nil for the built-in ones
	emit        func(models.Alert)
	logger      *slog.Logger
	decode      func(topic string) decode.Config
	sources     map[string][]string
	maxAlertAge time.Duration
	registerer  prometheus.Registerer
	clock       func() int64
	maxGroups   int
	maxSeries   int
	values      *Values
	atWatermark bool
	backfill    bool
	frames      bool

	recorded      func(models.Recorded)
	recordedTopic string
}

// WithRules sets the rules; without it the engine has a few of its own, see default.rules.yml.
// NewEngine panics when they do not compile. Rules of users belong into SetRules, which returns an
// error.
func WithRules(set *rule.Set) Option { return func(o *options) { o.rules = set } }

// WithEmit sets the function that gets every transition, one at a time and in order. It may read
// the engine but not feed it. Without it transitions are logged.
func WithEmit(emit func(models.Alert)) Option { return func(o *options) { o.emit = emit } }

// WithRecorded sets the function that gets the values of record rules, one at a time, those of a
// group in order. It is called while the engine evaluates, so it must neither use the engine nor
// block. Topic is where the values are written, "" for nowhere. Rules read it only if they name it
// as their source, wait for values as long as these may take, and record no values there
// themselves, so that there is no loop.
func WithRecorded(topic string, recorded func(models.Recorded)) Option {
	return func(o *options) { o.recorded, o.recordedTopic = recorded, topic }
}

// WithLogger sets the logger; slog.Default by default.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

// WithDecode says how the records of a topic are read; by default every format is recognised.
func WithDecode(config func(topic string) decode.Config) Option {
	return func(o *options) { o.decode = config }
}

// WithSources maps the names of sources that rules use to topics. The name of a source that is not
// among them is the name of its topic.
func WithSources(
	topics map[string][]string,
) Option {
	return func(o *options) { o.sources = topics }
}

// WithMaxAlertAge sets the age from which a transition that is found late, during a catch-up, is
// historical: recorded, but not notified. The default is one hour.
func WithMaxAlertAge(d time.Duration) Option { return func(o *options) { o.maxAlertAge = d } }

// WithRegisterer registers the engine's metrics.
func WithRegisterer(r prometheus.Registerer) Option { return func(o *options) { o.registerer = r } }

// WithClock gives a clock in nanoseconds by which the cost of queries is sampled; it decides
// nothing.
func WithClock(now func() int64) Option { return func(o *options) { o.clock = now } }

// WithBackfill makes rules that are added or changed wait for their past, see BackfillEngine.
// Without it they begin at once, without a past.
func WithBackfill() Option { return func(o *options) { o.backfill = true } }

// WithMaxGroups bounds the groups of all rules together; two million by default. Each rule has a
// limit of its own besides.
func WithMaxGroups(n int) Option { return func(o *options) { o.maxGroups = n } }

// WithMaxSeries bounds the series that record rules have together in the metrics; 50,000 by
// default.
func WithMaxSeries(n int) Option { return func(o *options) { o.maxSeries = n } }

// WithFrames declares that several engines apply the same frames and decide the same. Their saved
// state then covers what one that was restored would otherwise not know for a moment.
func WithFrames() Option { return func(o *options) { o.frames = true } }

// AtWatermark decides everything at the watermark, and nothing with the log that completes a
// condition. The alerts and their times are the same, and notifications do not depend on the order
// of the logs: it is for backtests. At the end of the logs nothing is late any more, so the
// watermark is the time itself.
func AtWatermark() Option { return func(o *options) { o.atWatermark = true } }

func (o *options) withDefaults() {
	if o.logger == nil {
		o.logger = slog.Default()
	}
	if o.emit == nil {
		o.emit = logAlert(o.logger)
	}
	if o.decode == nil {
		o.decode = func(string) decode.Config { return decode.Config{} }
	}
	if o.atWatermark { // nothing is too old for those who look back
		o.maxAlertAge = math.MaxInt64
	}
	if o.maxAlertAge <= 0 {
		o.maxAlertAge = time.Hour
	}
	if o.maxSeries <= 0 {
		o.maxSeries = defaultMaxSeries
	}
	if o.maxGroups <= 0 {
		o.maxGroups = 2_000_000
	}
	if o.rules == nil {
		o.rules = DefaultRules()
	}
}

// logAlert logs a transition, for an engine without WithEmit.
func logAlert(l *slog.Logger) func(models.Alert) {
	return func(a models.Alert) {
		if a.State != models.AlertFiring && a.State != models.AlertResolved || a.Historical {
			return
		}
		l.Warn("alert", "state", a.State, "rule", a.Rule, "labels", a.Labels, "reason", a.Reason,
			"summary", a.Annotations["summary"], "at", a.At)
	}
}
