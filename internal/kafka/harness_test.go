package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// bed is a broker and a topic on it, and what tests do to them.
type bed struct {
	t       *testing.T
	brokers []string
	topic   string
	group   string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	broker  *devbroker.Broker // nil for a real one
	options devbroker.Options
	client  *kgo.Client
	admin   *kadm.Client
	logs    *journal
}

// everywhere runs a test against the embedded broker in fake time, or against a real one when
// KAFKA_BROKERS names it.
func everywhere(t *testing.T, partitions int32, test func(b *bed)) {
	t.Helper()
	if os.Getenv("KAFKA_BROKERS") == "" {
		t.Run("kfake", func(t *testing.T) { inBubble(t, partitions, test) })
	} else {
		t.Run("kafka", func(t *testing.T) { onReal(t, partitions, test) })
	}
}

// onReal runs a test on a topic of its own on the broker that KAFKA_BROKERS names.
func onReal(t *testing.T, partitions int32, test func(b *bed)) {
	t.Helper()
	name := fmt.Sprintf("test-%d", time.Now().UnixNano())
	b := &bed{
		t:       t,
		brokers: strings.Split(os.Getenv("KAFKA_BROKERS"), ","),
		topic:   name,
		group:   name,
	}
	b.open()
	if _, err := b.admin.CreateTopic(t.Context(), partitions, -1, nil, name); err != nil {
		t.Fatal(err)
	}
	test(b)
	b.admin.DeleteTopic(t.Context(), name)
	b.client.Close()
}

// inBubble runs a test against a broker of its own in fake time.
func inBubble(
	t *testing.T,
	partitions int32,
	test func(b *bed),
	settings ...func(*devbroker.Options),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		b := &bed{
			t:       t,
			brokers: []string{"127.0.0.1:9092"},
			topic:   "application-logs",
			group:   "g",
			dial:    network.DialContext,
		}
		var err error
		b.options = devbroker.Options{
			Addr:   b.brokers[0],
			Listen: network.Listen,
			Topics: []devbroker.Topic{{Name: b.topic, Partitions: partitions, RetentionBytes: -1}},
		}
		for _, set := range settings {
			set(&b.options)
		}
		b.broker, err = devbroker.Start(b.options)
		if err != nil {
			t.Fatal(err)
		}
		b.open()
		test(b)
		b.client.Close()
		b.broker.Close()
	})
}

func (b *bed) open() {
	b.t.Helper()
	b.logs = &journal{}
	old := slog.Default()
	slog.SetDefault(b.logger()) // constructors of the mission take no logger
	b.t.Cleanup(func() { slog.SetDefault(old) })
	opts := []kgo.Opt{
		kgo.SeedBrokers(b.brokers...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}
	if b.dial != nil {
		opts = append(opts, kgo.Dialer(b.dial))
	}
	for _, u := range b.options.Users {
		opts = append(opts, kgo.SASL(plain.Auth{User: u.Name, Pass: u.Password}.AsMechanism()))
	}
	var err error
	if b.client, err = kgo.NewClient(opts...); err != nil {
		b.t.Fatal(err)
	}
	b.admin = kadm.NewClient(b.client)
}

func (b *bed) clientConfig() ClientConfig { return ClientConfig{Brokers: b.brokers, Dial: b.dial} }

func (b *bed) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// sourceConfig is that of a member of the group.
func (b *bed) sourceConfig() SourceConfig {
	return SourceConfig{
		Client:  b.clientConfig(),
		Topics:  []string{b.topic},
		Group:   b.group,
		Logger:  b.logger(),
		Workers: 2,
	}
}

// wait waits until something holds. In fake time it has an hour, else a minute.
func (b *bed) wait(what string, holds func() bool) {
	b.t.Helper()
	patience, every := time.Hour, 100*time.Millisecond
	if b.broker == nil {
		patience, every = time.Minute, 20*time.Millisecond
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(end) {
			b.t.Fatalf("%s does not come to be; the log:\n%s", what, b.logs)
		}
	}
}

// waitSeen waits until something has seen what it is to see, and a moment longer for what it is not
// to see.
func (b *bed) waitSeen(seen func() []string, want []string) {
	b.t.Helper()
	b.wait("seeing everything", func() bool { return len(seen()) >= len(want) })
	b.moment()
	wantSeen(b.t, seen(), want)
}

// moment is long enough for what would happen at once: a few rounds of the loops.
func (b *bed) moment() {
	d := 3 * time.Second
	if b.broker == nil {
		d = 1500 * time.Millisecond
	}
	<-time.After(d)
}

// waitCommitted waits until the group has committed a partition.
func (b *bed) waitCommitted(partition int32, want int64) {
	b.t.Helper()
	b.wait(
		fmt.Sprintf("partition %d committed to %d", partition, want),
		func() bool { return b.committed(partition) == want },
	)
}

// produce writes values to a partition.
func (b *bed) produce(partition int32, values ...string) {
	b.t.Helper()
	for _, v := range values {
		b.produceAt(partition, time.Now(), v)
	}
}

func (b *bed) produceAt(partition int32, at time.Time, value string) {
	b.t.Helper()
	r := &kgo.Record{Topic: b.topic, Partition: partition, Value: []byte(value), Timestamp: at}
	if err := b.client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// numbered produces JSON logs with messages from..to-1.
func (b *bed) numbered(partition int32, from, to int) {
	b.t.Helper()
	for i := from; i < to; i++ {
		b.produce(partition, fmt.Sprintf(`{"level":"ERROR","message":"m%d"}`, i))
	}
}

// deleteTo deletes the records of partition 0 before an offset, as retention does.
func (b *bed) deleteTo(offset int64) {
	b.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(b.topic, 0, offset, -1)
	if _, err := b.admin.DeleteRecords(context.Background(), offsets); err != nil {
		b.t.Fatal(err)
	}
}

// committed is what the group holds.
func (b *bed) committed(partition int32) int64 {
	b.t.Helper()
	offsets, err := b.admin.FetchOffsets(context.Background(), b.group)
	if err != nil {
		b.t.Fatal(err)
	}
	o, ok := offsets.Lookup(b.topic, partition)
	if !ok {
		return -1
	}
	return o.At
}

// reset sets what the group holds, as an operator does.
func (b *bed) reset(partition int32, offset int64) {
	b.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(b.topic, partition, offset, -1)
	if err := b.admin.CommitAllOffsets(context.Background(), b.group, offsets); err != nil {
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

// alive fails the test when it has ended by itself.
func (r *running) alive() bool {
	r.t.Helper()
	select {
	case err := <-r.done:
		r.t.Fatalf("it has ended: %v", err)
	default:
	}
	return true
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
	alarming  bool  // what is applied is urgent
	urgent    bool
	disk      chan struct{} // is closed when checkpoints can be written; nil when they can
}

func newNotebook() *notebook {
	return &notebook{
		replayed:  map[string]bool{},
		replaying: map[models.Partition]bool{},
		positions: map[models.Partition]models.SourcePosition{},
	}
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
			p.rejected = append(
				p.rejected,
				models.Rejection{Record: i, Reason: "invalid_json", Detail: "it is " + v},
			)
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
	n.urgent = n.alarming && len(p.values) > 0
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

func (n *notebook) time() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now
}

func (n *notebook) replay(value string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.replayed[value]
}

// at says how far a partition was read, and whether that is all.
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

func (k keeping) Checkpoint(positions, dropped []models.SourcePosition) (write func() error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	values := slices.Clone(k.values)
	k.urgent = false
	return func() error { return k.write(positions, dropped, values) }
}

func (k keeping) write(positions, dropped []models.SourcePosition, values []string) error {
	k.mu.Lock()
	disk := k.disk
	k.mu.Unlock()
	if disk != nil {
		<-disk
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	for _, p := range dropped {
		k.forgotten++
		delete(k.positions, models.Partition{Topic: p.Topic, Partition: p.Partition})
	}
	for _, p := range positions {
		k.positions[models.Partition{Topic: p.Topic, Partition: p.Partition}] = p
	}
	k.saved = values
	return nil
}

// stuck has checkpoints wait until free is called.
func (k keeping) stuck() (free func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.disk = make(chan struct{})
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		close(k.disk)
		k.disk = nil
	}
}

func (k keeping) Urgent() bool          { k.mu.Lock(); defer k.mu.Unlock(); return k.urgent }
func (k keeping) Rewind() time.Duration { return k.rewind }

// crash is what a new process finds: what was checkpointed, and no more.
func (k keeping) crash() keeping {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := newNotebook()
	next.values, next.positions, next.rewind = slices.Clone(k.saved), maps.Clone(k.positions),
		k.rewind
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

// fails has checkpoints fail from now on.
func (k keeping) fails(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = err
}

func (k keeping) forgot() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.forgotten
}

func (k keeping) position(b *bed, partition int32) models.SourcePosition {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.positions[models.Partition{Topic: b.topic, Partition: partition}]
}

func (b *bed) topicID() [16]byte {
	b.t.Helper()
	meta, err := b.admin.Metadata(context.Background(), b.topic)
	if err != nil {
		b.t.Fatal(err)
	}
	return meta.Topics[b.topic].ID
}

func keyOf(p models.SourcePosition) models.Partition {
	return models.Partition{Topic: p.Topic, Partition: p.Partition}
}
