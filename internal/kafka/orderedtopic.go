package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// OrderedTopic is a topic with one partition: the members of a cluster append to it, and all read
// it in its order. It is safe for concurrent use.
type OrderedTopic struct {
	*renewable
	cfg     ClientConfig
	topic   string
	log     *slog.Logger
	limited *rateLimitedLogger
}

const (
	maxOrderedRecord   = 8 << 20   // bytes of one record
	maxOrderedBuffered = 256 << 20 // bytes that may be buffered
	orderedTimeout     = 15 * time.Second
)

// NewOrderedTopic makes an ordered topic. It connects on the first use.
func NewOrderedTopic(cfg ClientConfig, topic string, log *slog.Logger) (*OrderedTopic, error) {
	opts, err := cfg.options(log)
	if err != nil {
		return nil, err
	}
	opts = append(
		opts,
		kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(maxOrderedRecord),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.MaxBufferedRecords(100_000),
		kgo.MaxBufferedBytes(maxOrderedBuffered),
		kgo.MetadataMinAge(500*time.Millisecond),
	)
	client, err := newRenewable(opts)
	if err != nil {
		return nil, fmt.Errorf("topic %q: %w", topic, err)
	}
	return &OrderedTopic{
		renewable: client, cfg: cfg, topic: topic, log: log,
		limited: newRateLimitedLogger(log),
	}, nil
}

// Name is the name of the topic.
func (t *OrderedTopic) Name() string { return t.topic }

// Close drops what is not written yet.
func (t *OrderedTopic) Close() { t.renewable.Close() }

// Append appends a record. It does not wait: done is called with the record's offset, or with the
// error, from another goroutine. The order of calls is that of the records.
func (t *OrderedTopic) Append(record []byte, done func(offset int64, err error)) {
	client := t.current()
	client.TryProduce(context.Background(), &kgo.Record{Value: record},
		func(r *kgo.Record, err error) {
			t.wrote(client, err)
			if err != nil && !errors.Is(err, kgo.ErrClientClosed) {
				err = withWriteHint(err, t.topic)
				t.limited.error("append", "a record of the cluster cannot be written",
					"topic", t.topic, "bytes", len(record), "error", err)
			}
			done(r.Offset, err)
		})
}

// Buffered is how many bytes are not written yet.
func (t *OrderedTopic) Buffered() int64 { return t.current().BufferedProduceBytes() }

// Flush waits until all records are written, or have failed.
func (t *OrderedTopic) Flush(ctx context.Context) error { return t.current().Flush(ctx) }

// Create creates the topic unless it exists, and checks what members rely on: that it has one
// partition, and that we may write to it. The error says what is missing.
func (t *OrderedTopic) Create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, orderedTimeout)
	defer cancel()
	admin := kadm.NewClient(t.current())
	meta, err := admin.Metadata(ctx, t.topic)
	if err != nil {
		return withHint(err)
	}
	if topic := meta.Topics[t.topic]; errors.Is(topic.Err, kerr.UnknownTopicOrPartition) {
		err = t.create(ctx, admin, len(meta.Brokers))
	} else {
		err = topic.Err
	}
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed),
		errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("topic %q: %w (allow CREATE, DESCRIBE, READ and WRITE on it)", t.topic,
			err)
	case err != nil:
		return fmt.Errorf("topic %q does not exist and cannot be created: %w (create it with one "+
			"partition, cleanup.policy=delete, retention.ms=-1, "+
			"message.timestamp.type=LogAppendTime and max.message.bytes=%d)", t.topic,
			withHint(err), maxOrderedRecord)
	}
	if meta, err = admin.Metadata(ctx, t.topic); err == nil {
		if n := len(meta.Topics[t.topic].Partitions); n > 1 {
			return &severalPartitionsError{t.topic, n}
		}
	}
	return checkWrite(ctx, t.current(), t.topic)
}

// A severalPartitionsError is an ordered topic that has no order.
type severalPartitionsError struct {
	topic string
	n     int
}

func (e *severalPartitionsError) Error() string {
	return fmt.Sprintf(
		"topic %q has %d partitions; members of a cluster need one order, so it must "+
			"have one (delete it, and it is created again)",
		e.topic,
		e.n,
	)
}

// IsFinal reports whether trying again does not help: a broker has refused, or an operator must
// act.
func IsFinal(err error) bool {
	var denied *writeDeniedError
	var several *severalPartitionsError
	var answer *kerr.Error
	return needsOperator(err) || errors.As(err, &denied) || errors.As(err, &several) ||
		errors.As(err, &answer) && !kerr.IsRetriable(err)
}

// create creates the topic, with fewer settings where the cluster refuses some.
func (t *OrderedTopic) create(ctx context.Context, admin *kadm.Client, brokers int) error {
	text := func(s string) *string { return &s }
	least := map[string]*string{
		"cleanup.policy": text("delete"), "retention.ms": text("-1"),
	}
	all := map[string]*string{
		"cleanup.policy":         least["cleanup.policy"],
		"retention.ms":           least["retention.ms"],
		"retention.bytes":        text("-1"),
		"segment.bytes":          text("67108864"),
		"message.timestamp.type": text("LogAppendTime"),
		"max.message.bytes":      text(strconv.Itoa(maxOrderedRecord)),
	}
	if brokers >= 3 {
		all["min.insync.replicas"] = text("2")
	}
	try := func(config map[string]*string) error {
		answer, err := admin.CreateTopic(ctx, 1, -1, config, t.topic)
		if err == nil {
			err = answer.Err
		}
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return nil
		}
		return err
	}
	err := try(all)
	if errors.Is(err, kerr.InvalidConfig) || errors.Is(err, kerr.PolicyViolation) {
		t.log.Warn("the cluster refuses some settings of a topic; clocks of members count more, "+
			"and large frames may not fit", "topic", t.topic, "error", err)
		err = try(least)
	}
	return err
}

// Ends returns which offsets the topic has: from start on, before end.
func (t *OrderedTopic) Ends(ctx context.Context) (start, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderedTimeout)
	defer cancel()
	admin := kadm.NewClient(t.current())
	starts, err1 := admin.ListStartOffsets(ctx, t.topic)
	ends, err2 := admin.ListEndOffsets(ctx, t.topic)
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, withHint(err)
	}
	first, _ := starts.Lookup(t.topic, 0)
	last, _ := ends.Lookup(t.topic, 0)
	return first.Offset, last.Offset, errors.Join(first.Err, last.Err)
}

// ID is the ID of the topic, by which it differs from one of the same name that was deleted.
func (t *OrderedTopic) ID(ctx context.Context) (cluster string, id [16]byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderedTimeout)
	defer cancel()
	meta, err := kadm.NewClient(t.current()).Metadata(ctx, t.topic)
	if err != nil {
		return "", id, withHint(err)
	}
	topic := meta.Topics[t.topic]
	return meta.Cluster, topic.ID, topic.Err
}

// CommitOffsets sets the offsets of a group without members. A member that was killed is in the
// group until its session times out; CommitOffsets waits for that until ctx is done.
func (t *OrderedTopic) CommitOffsets(
	ctx context.Context, group string, at map[models.Partition]int64,
) error {
	offsets := kadm.Offsets{}
	for p, next := range at {
		offsets.AddOffset(p.Topic, p.Partition, next, -1)
	}
	for len(offsets) > 0 {
		err := kadm.NewClient(t.current()).CommitAllOffsets(ctx, group, offsets)
		if err == nil {
			return nil
		}
		busy := errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.RebalanceInProgress)
		if !busy || !wait.Sleep(ctx, time.Second) {
			return fmt.Errorf("the offsets of the group %q cannot be set (are all members "+
				"stopped?): %w", group, withHint(err))
		}
	}
	return nil
}

// IDs are the IDs of some topics. One that does not exist has none.
func (t *OrderedTopic) IDs(ctx context.Context, topics []string) (map[string][16]byte, error) {
	ids := map[string][16]byte{}
	if len(topics) == 0 {
		return ids, nil
	}
	ctx, cancel := context.WithTimeout(ctx, orderedTimeout)
	defer cancel()
	meta, err := kadm.NewClient(t.current()).Metadata(ctx, topics...)
	if err != nil {
		return nil, withHint(err)
	}
	for name, topic := range meta.Topics {
		if topic.Err == nil {
			ids[name] = topic.ID
		} else if !IsGone(topic.Err) {
			return nil, fmt.Errorf("topic %q: %w", name, withHint(topic.Err))
		}
	}
	return ids, nil
}

// IsMissing reports whether the brokers say that some topic does not exist.
func (t *OrderedTopic) IsMissing(ctx context.Context, topic string) bool {
	ctx, cancel := context.WithTimeout(ctx, orderedTimeout)
	defer cancel()
	meta, err := kadm.NewClient(t.current()).Metadata(ctx, topic)
	return err == nil && IsGone(meta.Topics[topic].Err)
}

// Settings returns what is set otherwise at the topic than members need it. The error says why that
// is not known.
func (t *OrderedTopic) Settings(ctx context.Context) (problems []error, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderedTimeout)
	defer cancel()
	answer, err := kadm.NewClient(t.current()).DescribeTopicConfigs(ctx, t.topic)
	if err != nil {
		return nil, withHint(err)
	}
	config, err := answer.On(t.topic, nil)
	if err == nil {
		err = config.Err
	}
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed),
		errors.Is(err, kerr.ClusterAuthorizationFailed):
		return nil, fmt.Errorf("topic %q: %w (allow DESCRIBE_CONFIGS on it)", t.topic, err)
	case err != nil:
		return nil, fmt.Errorf("topic %q: %w", t.topic, err)
	}
	for _, one := range config.Configs {
		if problem := orderedSetting(one.Key, one.MaybeValue()); problem != "" {
			problems = append(problems, errors.New(problem))
		}
	}
	return problems, nil
}

// orderedSetting says what is wrong with a setting of an ordered topic.
func orderedSetting(key, value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case key == "cleanup.policy" && value != "delete":
		return "cleanup.policy is " + value + ", so records without keys are refused; set delete"
	case key == "message.timestamp.type" && value != "LogAppendTime":
		return "message.timestamp.type is " + value + ", so clocks of members count; set LogAppendTime"
	case err != nil:
	case key == "retention.ms" && n >= 0, key == "retention.bytes" && n >= 0:
		return key + " is " + value + ", so records may be deleted that no snapshot covers; set -1"
	case key == "max.message.bytes" && n < maxOrderedRecord:
		return fmt.Sprintf("max.message.bytes is %d, so a large frame may be refused; set %d", n,
			maxOrderedRecord)
	}
	return ""
}

// A deleteDeniedError is a topic whose records we may not delete.
type deleteDeniedError struct {
	topic string
	err   error
}

func (e *deleteDeniedError) Error() string {
	return fmt.Sprintf("records of topic %q cannot be deleted, so it grows: %v (allow DELETE on it)",
		e.topic, e.err)
}

func (e *deleteDeniedError) Unwrap() error { return e.err }

// DeleteBefore deletes the records before an offset. An offset that is the first one deletes
// nothing, and so shows whether it is allowed.
func (t *OrderedTopic) DeleteBefore(ctx context.Context, offset int64) error {
	ctx, cancel := context.WithTimeout(ctx, orderedTimeout)
	defer cancel()
	offsets := kadm.Offsets{}
	offsets.AddOffset(t.topic, 0, offset, -1)
	answer, err := kadm.NewClient(t.current()).DeleteRecords(ctx, offsets)
	if err == nil {
		err = answer.Error()
	}
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed),
		errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.PolicyViolation):
		return &deleteDeniedError{t.topic, err}
	case err != nil:
		return fmt.Errorf("records of topic %q cannot be deleted: %w", t.topic, withHint(err))
	}
	return nil
}

// MayDelete returns an error unless we may delete records.
func (t *OrderedTopic) MayDelete(ctx context.Context) error {
	start, _, err := t.Ends(ctx)
	if err != nil {
		return err
	}
	return t.DeleteBefore(ctx, start)
}

// Read passes the records from an offset on, before another, to each.
func (t *OrderedTopic) Read(
	ctx context.Context, from, to int64, each func(OrderedRecord) error,
) error {
	if from >= to {
		return nil
	}
	err := t.Tail(ctx, from, func(batch []OrderedRecord) error {
		for _, r := range batch {
			if r.Offset < to {
				if err := each(r); err != nil {
					return err
				}
			}
			if r.Offset >= to-1 {
				return errReadEnd
			}
		}
		return nil
	})
	if errors.Is(err, errReadEnd) {
		return nil
	}
	return err
}

var errReadEnd = errors.New("all is read")

// OrderedRecord is a record of an ordered topic.
type OrderedRecord struct {
	Offset int64
	At     time.Time // by the broker's clock, where the topic has it
	Value  []byte
}

// Tail passes the records from an offset on to each, as they come, in batches; an empty batch when
// none comes for a while. It ends with ctx, with the error of each, or when the topic no longer has
// the records.
func (t *OrderedTopic) Tail(
	ctx context.Context, from int64, each func([]OrderedRecord) error,
) error {
	opts, err := t.cfg.options(t.log)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(
		opts,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
			t.topic: {0: kgo.NewOffset().At(from)},
		}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.MetadataMinAge(500*time.Millisecond),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	var batch []OrderedRecord
	for {
		poll, cancel := context.WithTimeout(ctx, tailPause)
		fetches := client.PollRecords(poll, tailRecords)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := t.tailError(fetches); err != nil {
			return err
		}
		batch = batch[:0]
		now := time.Now()
		fetches.EachRecord(func(r *kgo.Record) {
			at := plausibleTime(r.Timestamp)
			if r.Attrs.TimestampType() != appendTime && at.After(now) {
				at = now // the clock of a member is ahead
			}
			batch = append(batch, OrderedRecord{r.Offset, at, r.Value})
		})
		if err := each(batch); err != nil {
			return err
		}
	}
}

const (
	tailPause   = 100 * time.Millisecond
	tailRecords = 500
	appendTime  = 1 // the broker has set the timestamp
)

// tailError returns an error that waiting does not help.
func (t *OrderedTopic) tailError(fetches kgo.Fetches) (final error) {
	fetches.EachError(func(_ string, _ int32, err error) {
		var loss *kgo.ErrDataLoss
		switch {
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		case errors.Is(err, kerr.OffsetOutOfRange), errors.As(err, &loss),
			errors.Is(err, kerr.UnknownTopicID):
			final = fmt.Errorf("topic %q no longer has the records that come next: %w (start "+
				"again: a member that is behind begins with a snapshot)", t.topic, err)
		case needsOperator(err):
			final = fmt.Errorf("topic %q: %w", t.topic, withHint(err))
		default:
			t.limited.warn("tail", "the topic of the cluster cannot be read", "topic", t.topic,
				"error", withHint(err))
		}
	})
	return final
}

// Election elects one of the members of a cluster, by a consumer group over an ordered topic of
// which it reads nothing: the group assigns its one partition to one member.
type Election struct {
	Client  ClientConfig
	Group   string
	Topic   string
	Session time.Duration // after which a member that was killed is replaced; 10 s by default
	Logger  *slog.Logger
}

const electionSession = 10 * time.Second

// Run is a candidate until ctx is done, and then leaves. elected is called with true when we are
// elected, and with false when another member may be. It must not block.
func (e Election) Run(ctx context.Context, elected func(bool)) error {
	opts, err := e.Client.options(e.Logger)
	if err != nil {
		return err
	}
	if e.Session == 0 {
		e.Session = electionSession
	}
	limited := newRateLimitedLogger(e.Logger)
	client, err := kgo.NewClient(append(
		opts,
		kgo.ConsumerGroup(e.Group),
		kgo.ConsumeTopics(e.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(e.Session),
		// A candidate has nothing to finish before another is elected, and three heartbeats to
		// notice; so one that was stopped holds up no election for longer.
		kgo.RebalanceTimeout(e.Session/3),
		kgo.HeartbeatInterval(e.Session/10),
		kgo.MetadataMinAge(500*time.Millisecond),
		kgo.OnPartitionsAssigned(
			func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
				if len(m) > 0 {
					elected(true)
				}
			},
		),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
			if len(m) > 0 {
				elected(false)
			}
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
			if len(m) > 0 {
				elected(false)
			}
		}),
	)...)
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	client.PauseFetchTopics(e.Topic)
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			limited.warn("election", "the election of the leader fails; retrying",
				"group", e.Group, "error", withHint(err))
		})
		if hasErrors(fetches) {
			wait.Sleep(ctx, errorBackoff) // a refusal comes at once
		}
	}
	return nil
}
