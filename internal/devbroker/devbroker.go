// Package devbroker runs a Kafka within the process, for the demo and for tests. It is kfake, a
// broker made for testing, behind guards that make it fit to be left running on a developer's
// machine: a confused or hostile client can neither take the process down nor make it allocate
// without bound, and topics keep at most their configured size. It listens on the loopback
// interface unless another address is given.
//
// What is produced is kept in memory, and with a data directory on disk as well. It is not a
// database: there is one node, no replication, and no promise beyond what a demo needs.
//
// In a testing/synctest bubble, give Options.Listen the Listen method of a kfake.VirtualNetwork,
// and the clients its DialContext.
package devbroker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Options say what to start. The zero Options start an empty broker on a free port of this machine.
type Options struct {
	Addr string // where to listen; 127.0.0.1:0, any free port, by default
	// topics to create; those that a data directory holds already are left as they are
	Topics []Topic
	// create topics that a producer asks for, as brokers do by default; at most 100
	AutoCreate bool
	DataDir    string // where to keep what is produced; "" keeps it in memory alone
	// brokers of the cluster; 1 by default. Further ones listen on the ports that follow, or on
	// free ones
	Nodes int
	Users []User // who may connect; everybody by default

	// further options of kfake, for tests
	Extra []kfake.Opt

	// how often topics let go of what they need not keep; 10 seconds by default
	CompactEvery time.Duration

	TLS    *tls.Config                                         // nil for plain connections
	Listen func(network, address string) (net.Listener, error) // net.Listen by default
}

// Topic is a topic to create.
type Topic struct {
	Name           string
	Partitions     int32         // 1 by default
	RetentionBytes int64         // of each partition; 64 MiB by default, negative for no bound
	Retention      time.Duration // 0 for no bound
	// keep the newest record of each key instead, and nothing by size or time
	Compact bool
}

// User may connect with a SASL mechanism.
type User struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Name      string
	Password  string
}

const (
	defaultRetention = 64 << 20
	compactEvery     = 10 * time.Second
)

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once
	created map[string]bool // topics that were created for producers
}

// InUseError says that another process listens on the address.
type InUseError struct{ Addr string }

// Error names the address.
func (e *InUseError) Error() string { return "address " + e.Addr + " is already in use" }

// Start starts a broker. The error is an *InUseError when another process has the port.
func Start(o Options) (*Broker, error) {
	o.fill()
	host, text, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("broker address %q is not host:port; try 127.0.0.1:19092", o.Addr)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("broker address %q has no port number; try %s:19092", o.Addr, host)
	}
	cluster, err := kfake.NewCluster(o.cluster(host, port)...)
	if err != nil {
		if inUse(err) {
			return nil, &InUseError{Addr: o.Addr}
		}
		return nil, fmt.Errorf("start broker: %w", err)
	}
	b := &Broker{
		cluster: cluster,
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		created: map[string]bool{},
	}
	if err := b.create(o.Topics); err != nil {
		cluster.Close()
		return nil, err
	}
	if o.AutoCreate {
		cluster.ControlKey(kmsg.Metadata.Int16(), b.limitAutoCreate)
	}
	if o.CompactEvery == 0 {
		o.CompactEvery = compactEvery
	}
	go b.compact(o.CompactEvery)
	return b, nil
}

func (o *Options) fill() {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Listen == nil {
		o.Listen = net.Listen
	}
	o.Nodes = max(o.Nodes, 1)
}

// cluster is the options for kfake.
func (o *Options) cluster(host string, port int) []kfake.Opt {
	ports := make([]int, o.Nodes)
	for i := range ports {
		if port != 0 {
			ports[i] = port + i
		}
	}
	opts := []kfake.Opt{
		kfake.ClusterID("devbroker"), kfake.DefaultNumPartitions(1), kfake.Ports(ports...),
		kfake.ListenFn(
			func(network, address string) (net.Listener, error) {
				return o.listen(network, host, address)
			},
		),
		// A consumer that was killed is noticed soon: the default of a real broker would keep a
		// demo waiting for most of a minute.
		kfake.GroupMinSessionTimeout(100 * time.Millisecond),
	}
	if o.AutoCreate {
		opts = append(opts, kfake.AllowAutoTopicCreation(), kfake.BrokerConfigs(map[string]string{
			"log.retention.bytes": strconv.Itoa(defaultRetention),
			"log.segment.bytes":   strconv.Itoa(defaultRetention / 8),
		}))
	}
	if o.DataDir != "" {
		opts = append(opts, kfake.DataDir(o.DataDir))
	}
	if len(o.Users) > 0 {
		opts = append(opts, kfake.EnableSASL())
	}
	for _, u := range o.Users {
		opts = append(opts, kfake.Superuser(u.Mechanism, u.Name, u.Password))
	}
	return append(opts, o.Extra...)
}

// listen opens a listener behind the guard. kfake names an address on 127.0.0.1, of which only the
// port counts.
func (o *Options) listen(network, host, address string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	l, err := o.Listen(network, net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	if o.TLS != nil { // within the guard, which must see what was said
		l = tls.NewListener(l, o.TLS)
	}
	return &listener{Listener: l}, nil
}

func inUse(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "listen" && isInUse(op.Err)
}

func (b *Broker) create(topics []Topic) error {
	for _, t := range topics {
		if b.cluster.TopicInfo(t.Name) != nil {
			continue
		}
		if err := b.CreateTopic(t); err != nil {
			return err
		}
	}
	return nil
}

const maxAutoCreate = 100

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// limitAutoCreate forbids a request to create topics when there are enough, or a name is not valid.
func (b *Broker) limitAutoCreate(r kmsg.Request) (kmsg.Response, error, bool) {
	b.cluster.KeepControl()
	m, ok := r.(*kmsg.MetadataRequest)
	if !ok || !m.AllowAutoTopicCreation {
		return nil, nil, false
	}
	for _, t := range m.Topics {
		if t.Topic == nil || b.created[*t.Topic] {
			continue
		}
		if !topicName.MatchString(*t.Topic) || len(b.created) >= maxAutoCreate {
			m.AllowAutoTopicCreation = false
			break
		}
		b.created[*t.Topic] = true
	}
	return nil, nil, false
}

// CreateTopic creates a topic.
func (b *Broker) CreateTopic(t Topic) error {
	if t.RetentionBytes == 0 {
		t.RetentionBytes = defaultRetention
	}
	configs := map[string]string{}
	if t.Compact {
		configs["cleanup.policy"], t.RetentionBytes, t.Retention = "compact", -1, 0
	}
	if t.RetentionBytes > 0 {
		// Whole segments are given back, so they must be small against what is kept.
		configs["retention.bytes"] = strconv.FormatInt(t.RetentionBytes, 10)
		configs["segment.bytes"] = strconv.FormatInt(max(t.RetentionBytes/8, 1<<20), 10)
	}
	if t.Retention > 0 {
		configs["retention.ms"] = strconv.FormatInt(t.Retention.Milliseconds(), 10)
	}
	if err := b.cluster.CreateTopic(t.Name, max(t.Partitions, 1), configs); err != nil {
		return fmt.Errorf("create topic %s: %w", t.Name, err)
	}
	return nil
}

// compact lets go of what topics need not keep. kfake itself does so once an hour, which is too
// late for its memory.
func (b *Broker) compact(every time.Duration) {
	defer close(b.done)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-ticker.C:
			b.cluster.Compact()
			b.cluster.ApplyRetention()
		}
	}
}

// Addr is where the broker listens: the first node's address, for clients to begin with.
func (b *Broker) Addr() string { return b.cluster.ListenAddrs()[0] }

// Cluster is the broker itself, for tests that make trouble.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// LoseHistory has leaders know nothing of the epochs before theirs, from now on, as after an
// unclean election.
func (b *Broker) LoseHistory() {
	b.cluster.ControlKey(kmsg.OffsetForLeaderEpoch.Int16(),
		func(r kmsg.Request) (kmsg.Response, error, bool) {
			b.cluster.KeepControl()
			answer := r.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
			for _, t := range r.(*kmsg.OffsetForLeaderEpochRequest).Topics {
				topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
				topic.Topic = t.Topic
				for _, p := range t.Partitions {
					at := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
					at.Partition, at.LeaderEpoch, at.EndOffset = p.Partition, -1, -1
					topic.Partitions = append(topic.Partitions, at)
				}
				answer.Topics = append(answer.Topics, topic)
			}
			return answer, nil, true
		})
}

// Close stops the broker. Clients lose their connections.
func (b *Broker) Close() error {
	b.once.Do(func() {
		close(b.stop)
		<-b.done
		b.cluster.Close()
	})
	return nil
}
