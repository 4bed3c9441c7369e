package kafka

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const topic = "application-logs"

// bed is a broker in fake time, and what tests do to it.
type bed struct {
	t       *testing.T
	network *kfake.VirtualNetwork
	broker  *devbroker.Broker
	client  *kgo.Client
	admin   *kadm.Client
	logs    *journal
}

// inBubble runs a test against a broker of its own in fake time.
func inBubble(t *testing.T, partitions int32, test func(b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bed{t: t, network: &kfake.VirtualNetwork{}, logs: &journal{}}
		slog.SetDefault(b.logger()) // constructors of the mission take no logger
		defer slog.SetDefault(quietLog)
		b.start(partitions)
		test(b)
		b.client.Close()
		b.broker.Close()
	})
}

func (b *bed) start(partitions int32) {
	b.t.Helper()
	broker, err := devbroker.Start(devbroker.Options{
		Addr: "127.0.0.1:9092", Listen: b.network.Listen, Topics: []devbroker.Topic{{Name: topic, Partitions: partitions, RetentionBytes: -1}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.broker = broker
	b.client, err = kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.Dialer(b.network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.admin = kadm.NewClient(b.client)
}

func (b *bed) clientConfig() ClientConfig {
	return ClientConfig{Brokers: []string{"127.0.0.1:9092"}, Dial: b.network.DialContext}
}

func (b *bed) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// sourceConfig is that of a member of group g.
func (b *bed) sourceConfig() SourceConfig {
	return SourceConfig{Client: b.clientConfig(), Topics: []string{topic}, Group: "g", Logger: b.logger(), Workers: 2}
}

// produce writes values to a partition.
func (b *bed) produce(partition int32, values ...string) {
	b.t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v), Timestamp: time.Now()}
		if err := b.client.ProduceSync(b.t.Context(), r).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
}

// numbered produces JSON logs with messages from..to-1.
func (b *bed) numbered(partition int32, from, to int) {
	b.t.Helper()
	for i := from; i < to; i++ {
		b.produce(partition, fmt.Sprintf(`{"level":"ERROR","message":"m%d"}`, i))
	}
}

// committed is what the group holds.
func (b *bed) committed(partition int32) int64 {
	b.t.Helper()
	offsets, err := b.admin.FetchOffsets(b.t.Context(), "g")
	if err != nil {
		b.t.Fatal(err)
	}
	o, ok := offsets.Lookup(topic, partition)
	if !ok {
		return -1
	}
	return o.At
}

// reset sets what the group holds, as an operator does.
func (b *bed) reset(partition int32, offset int64) {
	b.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, partition, offset, -1)
	if err := b.admin.CommitAllOffsets(b.t.Context(), "g", offsets); err != nil {
		b.t.Fatal(err)
	}
}

// running is something that runs until it is stopped.
type running struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan error
}

func run(t *testing.T, f func(context.Context) error) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- f(ctx) }()
	return r
}

// stop stops it, and fails the test unless it ended well.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Errorf("it ended with %v", err)
	}
}

// journal collects what was logged.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

var quietLog = slog.New(slog.NewTextHandler(io.Discard, nil))

// notebook is an engine that notes what it was given, and keeps it like one that has checkpoints.
type notebook struct {
	mu        sync.Mutex
	values    []string // applied since the last restart or restore
	replayed  map[string]bool
	progress  []models.Progress
	now       time.Time
	replaying map[models.Partition]bool

	saved     []string // what the last checkpoint holds
	positions map[models.Partition]models.SourcePosition
	forgotten int
	rewind    time.Duration
	fail      error // of checkpoints
	urgent    bool
}

func newNotebook() *notebook {
	return &notebook{replayed: map[string]bool{}, replaying: map[models.Partition]bool{}, positions: map[models.Partition]models.SourcePosition{}}
}

type page struct {
	part     models.Partition
	values   []string
	rejected []models.Rejection
}

func (p *page) Logs() int                    { return len(p.values) }
func (p *page) Rejected() []models.Rejection { return p.rejected }

type noter struct{}

func (noter) Scan(records []models.Record) models.Scan {
	p := &page{}
	for i, r := range records {
		p.part = models.Partition{Topic: r.Topic, Partition: r.Partition}
		switch v := string(r.Value); {
		case strings.HasPrefix(v, "poison"):
			panic("poison")
		case strings.HasPrefix(v, "bad"):
			p.rejected = append(p.rejected, models.Rejection{Record: i, Reason: "invalid_json", Detail: "it is " + v})
		default:
			p.values = append(p.values, fmt.Sprintf("%d/%d", r.Partition, r.Offset))
		}
	}
	return p
}

func (n *notebook) NewScanner() models.Scanner { return noter{} }

func (n *notebook) Apply(s models.Scan) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := s.(*page)
	n.values = append(n.values, p.values...)
	for _, v := range p.values {
		n.replayed[v] = n.replaying[p.part]
	}
}

func (n *notebook) Advance(now time.Time, progress []models.Progress) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now, n.progress = now, slices.Clone(progress)
	clear(n.replaying)
	for _, p := range progress {
		n.replaying[models.Partition{Topic: p.Topic, Partition: p.Partition}] = p.Replay
	}
}

// caughtUp says how far a partition was read, and whether that is all.
func (n *notebook) at(partition int32) models.Progress {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.progress {
		if p.Partition == partition {
			return p
		}
	}
	return models.Progress{Next: -1}
}

func (n *notebook) seen() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.values)
}

// keeping is a notebook with checkpoints.
type keeping struct{ *notebook }

func (k keeping) Positions() []models.SourcePosition {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.positions))
}

func (k keeping) Checkpoint(positions, forget []models.SourcePosition) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	for _, p := range forget {
		k.forgotten++
		delete(k.positions, models.Partition{Topic: p.Topic, Partition: p.Partition})
	}
	for _, p := range positions {
		k.positions[models.Partition{Topic: p.Topic, Partition: p.Partition}] = p
	}
	k.saved = slices.Clone(k.values)
	k.urgent = false
	return nil
}

func (k keeping) Urgent() bool          { k.mu.Lock(); defer k.mu.Unlock(); return k.urgent }
func (k keeping) Rewind() time.Duration { return k.rewind }

// crash is what a new process finds: what was checkpointed, and no more.
func (k keeping) crash() keeping {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := newNotebook()
	next.values, next.positions, next.rewind = slices.Clone(k.saved), maps.Clone(k.positions), k.rewind
	return keeping{next}
}

// offsets is what a partition's records are called in a notebook.
func offsets(partition int32, from, to int) []string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("%d/%d", partition, i))
	}
	return list
}

func wantSeen(t *testing.T, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("evaluated %v, want %v", got, want)
	}
}
