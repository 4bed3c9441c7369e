package app

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/strictyaml"
)

// Config is the configuration. DefaultConfig has the default of each setting.
type Config struct {
	Kafka KafkaConfig `yaml:"kafka"`
	// the first whose topic matches counts; topics without one are detected record by record
	Formats []FormatConfig `yaml:"formats,omitempty"`
	// where the schemas of Avro and Protobuf are
	SchemaRegistry SchemaRegistryConfig `yaml:"schema_registry,omitempty"`

	Rules   []Path        `yaml:"rules"`           // files and globs
	Sigma   []SigmaConfig `yaml:"sigma,omitempty"` // Sigma rules, read as they are
	Notify  NotifyConfig  `yaml:"notify"`
	Web     WebConfig     `yaml:"web"`
	DataDir Path          `yaml:"data_dir"`
	Cluster ClusterConfig `yaml:"cluster,omitempty"`
	History HistoryConfig `yaml:"history"`
	Limits  LimitsConfig  `yaml:"limits"`
	Log     LogConfig     `yaml:"log"`

	file    string            // the file it was read from; "" when there was none
	origins map[string]string // settings by name -> flag or variable that gave them
	schemas *schemas
}

// KafkaConfig says where the logs are and how to read them.
type KafkaConfig struct {
	Brokers []string `yaml:"brokers"`
	Topics  []string `yaml:"topics"`
	// regular expressions; topics that appear later are found
	TopicPatterns []string `yaml:"topic_patterns,omitempty"`
	Group         string   `yaml:"group"`
	ClientID      string   `yaml:"client_id"`
	// where a group without commits begins: start, end, or an offset
	Start    Start         `yaml:"start"`
	MinBytes int           `yaml:"min_bytes"`
	MaxBytes Size          `yaml:"max_bytes"`
	MaxWait  time.Duration `yaml:"max_wait"`
	// after an outage of a broker, how long final decisions wait for what producers have buffered
	OutageGrace time.Duration `yaml:"outage_grace"`
	// of a static member; "" for one that is drawn once and kept in the data directory, "none" for
	// a dynamic member
	InstanceID string `yaml:"instance_id,omitempty"`
	// how long the group waits for a member that says nothing
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// how partitions are assigned: classic, the default, or consumer (KIP-848), in a cluster
	GroupProtocol string `yaml:"group_protocol,omitempty"`
	// where we are, as brokers say it in broker.rack; logs are read from the nearest replica
	Rack            string `yaml:"rack,omitempty"`
	DeadLetterTopic string `yaml:"dead_letter_topic,omitempty"`
	// read_committed, the default, or read_uncommitted, which reads aborted transactions too
	IsolationLevel string `yaml:"isolation_level,omitempty"`
	// gets the values of record rules; "" for /metrics alone
	RecordsTopic string     `yaml:"records_topic,omitempty"`
	TLS          TLSConfig  `yaml:"tls,omitempty"`
	SASL         SASLConfig `yaml:"sasl,omitempty"`
}

// TLSConfig encrypts connections and, with a certificate, proves who we are.
type TLSConfig struct {
	Enabled            bool   `yaml:"enabled,omitempty"` // naming any file below enables it too
	CAFile             Path   `yaml:"ca_file,omitempty"`
	CertFile           Path   `yaml:"cert_file,omitempty"`
	KeyFile            Path   `yaml:"key_file,omitempty"`
	ServerName         string `yaml:"server_name,omitempty"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify,omitempty"`
}

// On reports whether connections are to be encrypted.
func (t TLSConfig) On() bool { return t.Enabled || t.CAFile != "" || t.CertFile != "" }

// SASLConfig says who we are.
type SASLConfig struct {
	// PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM
	Mechanism    string `yaml:"mechanism,omitempty"`
	Username     string `yaml:"username,omitempty"`
	Password     Secret `yaml:"password,omitempty"`
	PasswordFile Path   `yaml:"password_file,omitempty"`
	Token        Secret `yaml:"token,omitempty"`
	// read again whenever we authenticate, so a token may be renewed in place
	TokenFile Path      `yaml:"token_file,omitempty"`
	AWS       AWSConfig `yaml:"aws,omitempty"`
}

// AWSConfig holds credentials for MSK; where they are empty, AWS's own environment variables count.
type AWSConfig struct {
	AccessKey    string `yaml:"access_key,omitempty"`
	SecretKey    Secret `yaml:"secret_key,omitempty"`
	SessionToken Secret `yaml:"session_token,omitempty"`
}

// FormatConfig says how records of some topics are read.
type FormatConfig struct {
	Topic         string `yaml:"topic"` // a name, or a glob: nginx-*
	decode.Config `yaml:",inline"`
}

// NotifyConfig is where notifications go. Without a receiver they are printed to the
// terminal.
type NotifyConfig struct {
	// a normal alertmanager.yml: routes, receivers, inhibition, templates
	AlertmanagerConfig Path   `yaml:"alertmanager_config,omitempty"`
	WebhookURL         Secret `yaml:"webhook_url,omitempty"`
	WebhookURLFile     Path   `yaml:"webhook_url_file,omitempty"`
	SlackURL           Secret `yaml:"slack_url,omitempty"`
	SlackURLFile       Path   `yaml:"slack_url_file,omitempty"`
	SlackChannel       string `yaml:"slack_channel,omitempty"`
	// base URLs of Alertmanagers of your own
	Alertmanagers []string `yaml:"alertmanagers,omitempty"`
	Terminal      bool     `yaml:"terminal,omitempty"`
	// gets a line of JSON for each notification of an alert
	File Path `yaml:"file,omitempty"`
	// gets a record for each notification of an alert
	KafkaTopic string `yaml:"kafka_topic,omitempty"`
	// under which users reach our pages; for links in notifications
	ExternalURL string `yaml:"external_url,omitempty"`
	// notify with an alert of its own when alerts did not fire because logs came too late
	MissedAlerts bool `yaml:"missed_alerts,omitempty"`
	// tables that add labels and annotations to alerts before they are routed
	Lookups []LookupConfig `yaml:"lookups,omitempty"`
}

// LookupConfig is a table whose rows are found by labels of alerts: CSV, or the values of a
// compacted topic.
type LookupConfig struct {
	File        Path     `yaml:"file,omitempty"`
	Topic       string   `yaml:"topic,omitempty"`
	By          []string `yaml:"by"`
	Annotations []string `yaml:"annotations,omitempty"` // columns that become annotations
}

// WebConfig says where pages, metrics and the API are served.
type WebConfig struct {
	Listen        string `yaml:"listen"` // "" serves nothing
	ConfigFile    Path   `yaml:"config_file,omitempty"`
	Token         Secret `yaml:"token,omitempty"` // required for changes
	TokenFile     Path   `yaml:"token_file,omitempty"`
	ReadToken     Secret `yaml:"read_token,omitempty"` // required for reading
	ReadTokenFile Path   `yaml:"read_token_file,omitempty"`
	ReadOnly      bool   `yaml:"read_only,omitempty"` // no changes through pages and API
	// names of pages on loopback, besides this machine's
	Hosts []string `yaml:"hosts,omitempty"`
	PProf bool     `yaml:"pprof,omitempty"`
}

// LimitsConfig bounds what logs and rules may make the program do.
type LimitsConfig struct {
	// an alert found later than this after its event is recorded as historical, not notified
	MaxAlertAge time.Duration `yaml:"max_alert_age"`
	// how long a rule that is new may read its own past before it begins without
	BackfillTimeout time.Duration `yaml:"backfill_timeout"`
	// how soon a list that is kept in a topic must be read to its end at the start
	ListLoad    time.Duration `yaml:"list_load"`
	PollRecords int           `yaml:"poll_records"` // records taken from the client at once
	// goroutines that read and match; 0 for one per CPU
	Workers int `yaml:"workers"`
	// how long a stop waits for notifications under way
	ShutdownGrace time.Duration `yaml:"shutdown_grace"`
}

// ClusterConfig makes the process a member of a cluster: processes of one consumer group that share
// topics, whatever the keys of their records, and keep one set of alerts.
type ClusterConfig struct {
	Enabled bool `yaml:"enabled,omitempty"`
	// of the names of the topics and the groups that the members use; "" for kafka.group
	Prefix string `yaml:"prefix,omitempty"`
	// how often a member writes a snapshot of what the cluster knows
	SnapshotEvery time.Duration `yaml:"snapshot_every,omitempty"`
}

// HistoryConfig says how long what happened to alerts is kept in the data directory.
type HistoryConfig struct {
	Retention time.Duration `yaml:"retention"`
	MaxSize   Size          `yaml:"max_size"`
}

// LogConfig configures the log of the process, which goes to standard error.
type LogConfig struct {
	Level  slog.Level `yaml:"level"`
	Format string     `yaml:"format"` // text or json
}

// Start is where reading begins in a group that has not committed anything yet.
type Start int64

// The starting places that have names; any other Start is an offset.
const (
	StartBeginning Start = -2
	StartEnd       Start = -1
)

// UnmarshalText reads start, end, or an offset above zero.
func (s *Start) UnmarshalText(text []byte) error {
	switch t := string(text); t {
	case "start", "beginning", "earliest":
		*s = StartBeginning
	case "end", "latest":
		*s = StartEnd
	default:
		n, err := strconv.ParseInt(t, 10, 64)
		if err != nil || n < -2 {
			return fmt.Errorf("%q is not a start position; use start, end, or an offset", t)
		}
		*s = Start(n)
	}
	return nil
}

// String is what UnmarshalText reads.
func (s Start) String() string {
	switch s {
	case StartBeginning, 0:
		return "start"
	case StartEnd:
		return "end"
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalYAML writes the start as it is read.
func (s Start) MarshalYAML() (any, error) { return s.String(), nil }

// DefaultConfig returns the configuration of someone who decides nothing: a broker on this machine,
// alerts on the terminal, pages for this machine alone.
func DefaultConfig() Config {
	return Config{
		Kafka: KafkaConfig{
			Brokers:  []string{"localhost:9092"},
			Topics:   []string{"application-logs"},
			Group:    "log-monitoring-group",
			ClientID: "alert-engine",
			Start:    StartEnd,
			// One byte, unlike the library's 10 KB: waiting for more costs half a second of delay
			// on a quiet topic and saves about a hundredth of a core.
			MinBytes:    1,
			MaxBytes:    10 << 20,
			MaxWait:     time.Second,
			OutageGrace: time.Minute,

			SessionTimeout: 45 * time.Second,
		},
		Web:     WebConfig{Listen: "127.0.0.1:8080"},
		DataDir: "data",
		Cluster: ClusterConfig{SnapshotEvery: 10 * time.Minute},
		History: HistoryConfig{Retention: 30 * 24 * time.Hour, MaxSize: 1 << 30},
		Limits: LimitsConfig{
			MaxAlertAge:     time.Hour,
			BackfillTimeout: 10 * time.Minute,
			ListLoad:        2 * time.Minute,
			PollRecords:     20_000,
			ShutdownGrace:   10 * time.Second,
		},
		Log: LogConfig{Level: slog.LevelInfo, Format: "text"},
	}
}

// LoadConfig returns the defaults as changed by the file, if one is named, then by the environment,
// then by the flags, a map from a Setting's name to its values. Every problem of a source is
// reported at once.
func LoadConfig(
	file string,
	getenv func(string) string,
	flags map[string][]string,
) (*Config, error) {
	c := DefaultConfig()
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, problem.New(problem.Pos{}, "name the file with --config",
				"read configuration: %v", err)
		}
		if err := readConfig(file, text, getenv, &c); err != nil {
			return nil, err
		}
		c.file = file
	}
	if err := c.override(getenv, flags); err != nil {
		return nil, err
	}
	if err := c.secrets(); err != nil {
		return nil, err
	}
	if c.SchemaRegistry.on() {
		c.schemas = &schemas{}
	}
	return &c, c.Validate()
}

// readConfig changes c by the text of a file.
func readConfig(file string, text []byte, getenv func(string) string, c *Config) error {
	otherwise := c.Kafka.Topics
	c.Kafka.Topics = nil
	r := strictyaml.Reader{File: file, Env: getenv, Aliases: true, Removed: map[string]string{
		"record_key": "it is gone: with cluster.enabled members share topics whatever the keys of " +
			"records; see docs/howto/scale-out.md",
		"changelog_topic": "it is gone with record_key; set cluster.enabled to share topics",
	}}
	err := r.Read(text, c)
	if c.Kafka.Topics == nil && len(c.Kafka.TopicPatterns) == 0 {
		c.Kafka.Topics = otherwise // with patterns alone the default topic is not meant
	}
	return err
}

// override applies the environment and the flags.
func (c *Config) override(getenv func(string) string, flags map[string][]string) error {
	var ps problem.List
	for _, s := range Settings {
		origin, values := "--"+s.Name, flags[s.Name]
		if text := getenv(s.Env()); len(values) == 0 && text != "" {
			origin, values = s.Env(), []string{text}
			if s.Many {
				values = strings.Split(text, ",")
			}
		}
		if len(values) == 0 {
			continue
		}
		if err := s.set(c, values); err != nil {
			ps = append(ps, problem.New(problem.Pos{File: origin}, "", "%v", err))
		}
		if c.origins == nil {
			c.origins = map[string]string{}
		}
		c.origins[s.Name] = origin
	}
	return ps.Err()
}

// secrets reads the files that hold secrets.
func (c *Config) secrets() error {
	var ps problem.List
	for _, s := range []struct {
		key  string
		file Path
		into *Secret
	}{
		{"kafka.sasl.password", c.Kafka.SASL.PasswordFile, &c.Kafka.SASL.Password},
		{"schema_registry.password", c.SchemaRegistry.PasswordFile, &c.SchemaRegistry.Password},
		{"web.token", c.Web.TokenFile, &c.Web.Token},
		{"web.read_token", c.Web.ReadTokenFile, &c.Web.ReadToken},
		{"notify.webhook_url", c.Notify.WebhookURLFile, &c.Notify.WebhookURL},
		{"notify.slack_url", c.Notify.SlackURLFile, &c.Notify.SlackURL},
	} {
		if s.file == "" {
			continue
		}
		if *s.into != "" {
			ps = append(ps, c.problem("%s and %s_file are both given; remove one", s.key, s.key))
			continue
		}
		secret, err := secretFrom(s.file)
		if err != nil {
			ps = append(ps, c.problem("%s_file: %v", s.key, err))
			continue
		}
		*s.into = secret
	}
	return ps.Err()
}

// problem is what is wrong with a value. The text begins with its key. The place is the flag or the
// variable that gave the value, else the file.
func (c *Config) problem(format string, args ...any) *problem.Error {
	text := fmt.Sprintf(format, args...)
	key, place := keyPrefix.FindString(text), c.file
	for _, s := range Settings {
		if origin, ok := c.origins[s.Name]; ok && s.sets(key) {
			place = origin
		}
	}
	return problem.New(problem.Pos{File: place}, "", "%s", text)
}

var keyPrefix = regexp.MustCompile(`^[a-z_.]+`)

// patternFor is the pattern that a topic fits, "" for none.
func (k KafkaConfig) patternFor(topic string) string {
	for _, p := range k.TopicPatterns {
		if e, err := regexp.Compile(p); err == nil && e.MatchString(topic) {
			return p
		}
	}
	return ""
}

// Mechanisms are the ways to authenticate to Kafka.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"}

// Validate returns all that is wrong with values that could be read, nil when nothing is. It
// touches neither network nor files. It is long because it is a list.
func (c *Config) Validate() error {
	var ps problem.List
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			ps = append(ps, c.problem(format, args...))
		}
	}
	k := c.Kafka
	wrong(len(k.Brokers) == 0, "kafka.brokers is empty; name at least one, such as localhost:9092")
	for _, b := range k.Brokers {
		if hint := brokerHint(b); hint != "" {
			wrong(true, "kafka.brokers: %q is not a host:port; %s", b, hint)
		}
	}
	wrong(
		len(k.Topics)+len(k.TopicPatterns) == 0,
		"kafka.topics and kafka.topic_patterns are empty; name at least one topic",
	)
	for _, s := range c.Sigma {
		err := s.Filter.Validate()
		wrong(err != nil, "sigma.filter.%v", err)
	}
	for _, p := range k.TopicPatterns {
		_, err := regexp.Compile(p)
		wrong(err != nil, "kafka.topic_patterns: %v; write a regular expression such as '^logs-.*'",
			err)
	}
	for _, t := range k.Topics {
		wrong(!kafka.IsTopic(t), "kafka.topics has the name %q; a topic has at most 249 letters, "+
			"digits, '.', '_' and '-'", t)
	}
	wrong(
		c.Cluster.SnapshotEvery < time.Second,
		"cluster.snapshot_every is %s; it must be at least "+
			"1s",
		duration.Format(c.Cluster.SnapshotEvery),
	)
	wrong(
		c.Cluster.Enabled && !kafka.IsTopic(c.snapshotsTopic()),
		"a topic of the cluster would be "+
			"called %q; set cluster.prefix to letters, digits, '.', '_' and '-'",
		c.snapshotsTopic(),
	)
	for name, topics := range map[string][]string{
		"kafka.topics": k.Topics, "kafka.records_topic": {k.RecordsTopic},
		"kafka.dead_letter_topic": {k.DeadLetterTopic}, "notify.kafka_topic": {c.Notify.KafkaTopic},
	} {
		for _, own := range []string{c.framesTopic(), c.snapshotsTopic()} {
			wrong(c.Cluster.Enabled && slices.Contains(topics, own), "%s has %q, which is a topic "+
				"of the cluster itself; remove it", name, own)
		}
	}
	wrong(!slices.Contains([]string{"", kafka.ProtocolClassic, kafka.ProtocolConsumer},
		k.GroupProtocol), "kafka.group_protocol is %q; it must be classic or consumer",
		k.GroupProtocol)
	wrong(k.GroupProtocol == kafka.ProtocolConsumer && !c.Cluster.Enabled,
		"kafka.group_protocol is consumer without cluster.enabled; without a cluster, members ask "+
			"the group for each other in the classic protocol")
	wrong(k.Group == "", "kafka.group is empty; offsets are committed for a group")
	wrong(
		c.History.Retention < time.Hour,
		"history.retention is %s; it must be at least 1h", duration.Format(c.History.Retention),
	)
	wrong(c.History.MaxSize < 1<<20, "history.max_size is %d; it must be at least 1MB",
		c.History.MaxSize)
	wrong(k.MinBytes < 1, "kafka.min_bytes is %d; it must be at least 1", k.MinBytes)
	wrong(int64(k.MinBytes) > int64(k.MaxBytes),
		"kafka.min_bytes is %d, more than kafka.max_bytes, %d", k.MinBytes, k.MaxBytes)
	wrong(k.MaxWait < 0, "kafka.max_wait is negative")
	wrong(k.OutageGrace < 0, "kafka.outage_grace is negative")
	wrong(
		k.SessionTimeout < time.Second,
		"kafka.session_timeout is %v; brokers take 6s to 30m, 45s is usual",
		k.SessionTimeout,
	)
	wrong(
		k.DeadLetterTopic != "" && slices.Contains(k.Topics, k.DeadLetterTopic),
		"kafka.dead_letter_topic %q is also read; rejected records would be read again endlessly",
		k.DeadLetterTopic,
	)
	wrong(
		(k.TLS.CertFile == "") != (k.TLS.KeyFile == ""),
		"kafka.tls.cert_file and kafka.tls.key_file belong together",
	)
	c.validateSASL(wrong)
	c.SchemaRegistry.validate(wrong)
	for i, f := range c.Formats {
		_, err := filepath.Match(f.Topic, "")
		wrong(f.Topic == "" || err != nil, "formats[%d].topic: %q is not a topic name or glob", i,
			f.Topic)
		if err := f.Validate(); err != nil {
			wrong(true, "formats[%d]: %v", i, err)
		}
	}
	for name, text := range map[string]string{
		"notify.webhook_url":  string(c.Notify.WebhookURL),
		"notify.slack_url":    string(c.Notify.SlackURL),
		"notify.external_url": c.Notify.ExternalURL,
	} {
		wrong(text != "" && !isURL(text), "%s: %q is not an http or https URL; write one such as "+
			"http://alerts.example.com", name, safetext.URL(text))
	}
	for _, u := range c.Notify.Alertmanagers {
		wrong(!isURL(u),
			"notify.alertmanagers: %q is not an http or https URL; write one such as "+
				"http://alertmanager:9093", safetext.URL(u))
	}
	for i, l := range c.Notify.Lookups {
		at := fmt.Sprintf("notify.lookups[%d]", i)
		wrong((l.File == "") == (l.Topic == ""), "%s needs one of file and topic", at)
		wrong(len(l.By) == 0, "%s needs by, the labels that its rows are found by", at)
		for _, label := range l.By {
			wrong(!model.LegacyValidation.IsValidLabelName(label),
				"%s: by has %q, which is not a label; a label has letters, digits and '_'", at, label)
		}
		wrong(l.Topic != "" && !kafka.IsTopic(l.Topic), "%s: the topic %q is not a topic name; "+
			"it has at most 249 letters, digits, '.', '_' and '-'", at, l.Topic)
		wrong(l.Topic != "" && (slices.Contains(k.Topics, l.Topic) || k.patternFor(l.Topic) != ""),
			"%s: topic %q is also read as logs; a table has a topic of its own", at, l.Topic)
		wrong(l.Topic != "" && slices.Contains([]string{
			k.DeadLetterTopic, k.RecordsTopic, c.Notify.KafkaTopic,
		}, l.Topic), "%s: alert-engine writes to topic %q; a table has a topic of its own", at,
			l.Topic)
	}
	wrong(
		c.Notify.AlertmanagerConfig != "" && (c.Notify.WebhookURL != "" || c.Notify.SlackURL != ""),
		"notify.alertmanager_config has the receivers; add the webhook or Slack receiver to "+
			"that file",
	)
	wrong(
		len(c.Notify.Alertmanagers) > 0 &&
			(c.Notify.AlertmanagerConfig != "" || c.Notify.WebhookURL != "" ||
				c.Notify.SlackURL != ""),
		"notify.alertmanagers route notifications themselves; remove alertmanager_config, "+
			"webhook_url and slack_url",
	)
	wrong(
		k.RecordsTopic != "" &&
			(k.RecordsTopic == k.DeadLetterTopic || k.RecordsTopic == c.Notify.KafkaTopic),
		"kafka.records_topic %q also gets something else; name another topic for one",
		k.RecordsTopic,
	)
	pattern := k.patternFor(k.RecordsTopic)
	wrong(
		k.RecordsTopic != "" && pattern != "" && !slices.Contains(k.Topics, k.RecordsTopic),
		"kafka.records_topic %q is also read, by the pattern %q; narrow the pattern, or name the "+
			"topic in kafka.topics if rules are about recorded values",
		k.RecordsTopic,
		pattern,
	)
	t := c.Notify.KafkaTopic
	wrong(
		t != "" && (slices.Contains(k.Topics, t) || k.patternFor(t) != ""),
		"notify.kafka_topic %q is also read; it would be read endlessly; rules about alerts use "+
			"source: alerts",
		t,
	)
	wrong(
		t != "" && t == k.DeadLetterTopic,
		"notify.kafka_topic and kafka.dead_letter_topic are both %q; name another topic for one",
		t,
	)
	if c.Web.Listen != "" {
		_, _, err := net.SplitHostPort(c.Web.Listen)
		wrong(err != nil, "web.listen: %q is not a host:port; try 127.0.0.1:8080 or :8080",
			c.Web.Listen)
	}
	wrong(c.DataDir == "", "data_dir is empty; state needs a directory to survive a restart")
	wrong(c.Limits.PollRecords < 1, "limits.poll_records is %d; it must be at least 1",
		c.Limits.PollRecords)
	wrong(c.Limits.Workers < 0, "limits.workers is negative")
	wrong(c.Limits.MaxAlertAge <= 0, "limits.max_alert_age must be above zero")
	wrong(c.Limits.BackfillTimeout < 0, "limits.backfill_timeout is negative")
	wrong(c.Limits.ListLoad <= 0, "limits.list_load must be above zero")
	wrong(c.Limits.ShutdownGrace <= 0, "limits.shutdown_grace must be above zero")
	wrong(c.Log.Format != "text" && c.Log.Format != "json", "log.format is %q; try text or json",
		c.Log.Format)
	slices.SortStableFunc(ps, func(a, b *problem.Error) int {
		return strings.Compare(a.Problem, b.Problem)
	})
	return ps.Err()
}

// brokerHint is how to write a broker's address, "" when it is correct.
func brokerHint(address string) string {
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		rest = strings.TrimRight(rest, "/")
		if !strings.Contains(rest, ":") {
			rest = cmp.Or(rest, "localhost") + ":9092"
		}
		hint := fmt.Sprintf("write it without %s://, as %s", scheme, rest)
		switch strings.ToLower(scheme) {
		case "http", "https":
			hint += " (Kafka does not speak HTTP)"
		case "ssl", "sasl_ssl", "tls":
			hint += ", and set kafka.tls.enabled (--tls)"
		}
		return hint
	}
	if strings.Contains(address, ",") {
		return "brokers are a list; write [" + strings.ReplaceAll(address, ",", ", ") + "]"
	}
	host, port, err := net.SplitHostPort(address)
	if n, bad := strconv.ParseUint(port, 10, 16); err == nil && (bad != nil || n == 0) {
		return "a port is a number from 1 to 65535, as in " + cmp.Or(host, "localhost") + ":9092"
	}
	if err != nil || host == "" || strings.ContainsAny(host, "/ ") {
		return "try " + cmp.Or(strings.Trim(address, ":/ "), "localhost") + ":9092"
	}
	return ""
}

func (c *Config) validateSASL(wrong func(bool, string, ...any)) {
	s := c.Kafka.SASL
	given := s.Username != "" || s.Password != "" || s.Token != "" || s.TokenFile != ""
	switch s.Mechanism {
	case "":
		wrong(given, "kafka.sasl has credentials but no mechanism; try SCRAM-SHA-512")
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		wrong(s.Username == "", "kafka.sasl.username is empty; %s needs one", s.Mechanism)
		wrong(
			s.Password == "",
			"kafka.sasl.password is empty; %s needs one, best as password_file or ${VARIABLE}",
			s.Mechanism,
		)
	case "OAUTHBEARER":
		wrong(
			(s.Token == "") == (s.TokenFile == ""),
			"kafka.sasl: OAUTHBEARER needs one of token and token_file",
		)
	case "AWS_MSK_IAM":
		wrong(
			(s.AWS.AccessKey == "") != (s.AWS.SecretKey == ""),
			"kafka.sasl.aws.access_key and secret_key belong together",
		)
		wrong(!c.Kafka.TLS.On(), "kafka.tls.enabled is false; AWS_MSK_IAM needs TLS")
	default:
		wrong(true, "kafka.sasl.mechanism %q is unknown; %s", s.Mechanism,
			problem.DidYouMean(s.Mechanism, Mechanisms))
	}
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// YAML is the configuration in effect, with its secrets hidden.
func (c *Config) YAML() ([]byte, error) {
	shown := *c
	shown.Notify.ExternalURL = redacted(c.Notify.ExternalURL)
	shown.Notify.Alertmanagers = nil
	for _, u := range c.Notify.Alertmanagers {
		shown.Notify.Alertmanagers = append(shown.Notify.Alertmanagers, redacted(u))
	}
	var n yaml.Node
	if err := n.Encode(&shown); err != nil {
		return nil, err
	}
	formatDurations(&n, reflect.ValueOf(&shown).Elem())
	return yaml.Marshal(&n)
}

// redacted hides the password of a URL.
func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	return u.Redacted()
}

// formatDurations has durations of a struct printed as they are read.
func formatDurations(n *yaml.Node, v reflect.Value) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		for k := 0; k+1 < len(n.Content); k += 2 {
			if n.Content[k].Value != name {
				continue
			}
			switch f := v.Field(i); {
			case f.Type() == reflect.TypeFor[time.Duration]():
				n.Content[k+1].Value = duration.Format(time.Duration(f.Int()))
			case f.Kind() == reflect.Struct:
				formatDurations(n.Content[k+1], f)
			}
		}
	}
}
