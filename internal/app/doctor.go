package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// Finding levels of the doctor.
const (
	DoctorOK      = "ok"
	DoctorWarning = "warning"
	DoctorError   = "error"
)

// DoctorFinding is the result of one check of the surroundings.
type DoctorFinding struct {
	Level  string `json:"level"` // ok, warning or error
	Check  string `json:"check"`
	Detail string `json:"detail"`
}

// doctorTimeout is longer than a reader takes to give up, so its error is shown.
const doctorTimeout = 15 * time.Second

// doctor collects findings.
type doctor struct {
	config   *Config
	findings []DoctorFinding
}

// Doctor checks what run needs: files, brokers, topics and rights, the data directory, the
// listening address, and receivers, to which it connects without sending anything.
func Doctor(ctx context.Context, c *Config) []DoctorFinding {
	d := doctor{config: c}
	d.files(ctx)
	if d.brokers(ctx) {
		d.topics(ctx)
		d.tables(ctx)
	}
	d.dataDir()
	d.listen()
	d.receivers(ctx)
	return d.findings
}

func (d *doctor) add(level, check, format string, args ...any) {
	d.findings = append(d.findings, DoctorFinding{level, check, fmt.Sprintf(format, args...)})
}

func (d *doctor) files(ctx context.Context) {
	r, err := CheckConfigFiles(ctx, d.config)
	if err != nil {
		d.add(DoctorError, "files", "%v", err)
		return
	}
	for _, e := range r.Errors {
		d.add(DoctorError, "files", "%v", e)
	}
	switch {
	case len(r.Errors) > 0:
	case len(r.Warnings) > 0:
		d.add(DoctorWarning, "rules", "%s, %s; see alert-engine check",
			safetext.CountOf(r.Rules, "rule"), safetext.CountOf(len(r.Warnings), "warning"))
	default:
		d.add(DoctorOK, "rules", "%s", safetext.CountOf(r.Rules, "rule"))
	}
}

// brokers connects to each broker, and returns whether one can be reached.
func (d *doctor) brokers(ctx context.Context) (reached bool) {
	for _, address := range d.config.Kafka.Brokers {
		if err := dialOnce(ctx, address); err != nil {
			d.add(DoctorError, "broker", "%s: %v", address, err)
			continue
		}
		reached = true
		d.add(DoctorOK, "broker", "%s accepts connections", address)
	}
	return reached
}

func dialOnce(ctx context.Context, address string) error {
	dialer := net.Dialer{Timeout: 3 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return reasonOf(err)
	}
	return conn.Close()
}

// reasonOf is an error of the network without the address, which stands before it.
func reasonOf(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

func (d *doctor) topics(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	k := d.config.Kafka
	o := d.config.Reader()
	partitions, err := kafka.NewReader(o).Partitions(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("read %s: no answer within %s; check that the port is one of a Kafka broker, "+
			"and whether it needs kafka.tls",
			strings.Join(slices.Concat(k.Topics, k.TopicPatterns), ", "),
			duration.Format(doctorTimeout))
	}
	if err != nil {
		d.add(DoctorError, "topics", "%v", err)
		return
	}
	number, records := map[string]int{}, map[string]int64{}
	for _, p := range partitions {
		number[p.Topic]++
		records[p.Topic] += p.End - p.Next
	}
	topics := withTopicsOf(partitions, k.Topics...)
	for _, topic := range topics {
		switch {
		case records[topic] == 0: // one that does not exist is an error of Partitions
			d.add(DoctorWarning, "topic", "%s has no records", topic)
		default:
			d.add(DoctorOK, "topic", "%s: %s, %d records", topic,
				safetext.CountOf(number[topic], "partition"), records[topic])
		}
	}
	kept, err := kafka.Retentions(ctx, o.Client, o.Logger, topics...)
	if err != nil {
		d.add(DoctorWarning, "retention", "not known: %v (needs DescribeConfigs on topics)", err)
		return
	}
	set, err := loadRules(d.config)
	if err != nil {
		return // an error of files
	}
	for _, f := range set.NotIgnored(overRetention(set, kept, time.Now())) {
		d.add(DoctorWarning, "retention", "rule %s: %s; %s", f.Rule, f.Text, f.Hint)
	}
}

// tables reads the topics of lookups and lists.
func (d *doctor) tables(ctx context.Context) {
	silent := slog.New(slog.DiscardHandler)
	for _, c := range d.config.Notify.Lookups {
		if c.Topic == "" {
			continue
		}
		table := notify.NewTable(c.By)
		keys := d.table(ctx, "lookup", valuesOf(d.config, c.Topic, silent))
		if keys == nil {
			continue
		}
		values, _ := keys.Values()
		refused := table.Set(values)
		for _, reason := range slices.Sorted(maps.Keys(refused)) {
			d.add(DoctorWarning, "lookup", "%s: %s refused: %s", c.Topic,
				safetext.CountOf(refused[reason], "value"), lookupReasons[reason])
		}
		d.add(DoctorOK, "lookup", "%s: %s", c.Topic, safetext.CountOf(table.Rows(), "row"))
	}
	set, err := loadRules(d.config)
	if err != nil {
		return // an error of files
	}
	for _, list := range set.TopicLists() {
		if keys := d.table(ctx, "list", keysOf(d.config, list.Topic, silent)); keys != nil {
			members, _ := keys.Keys()
			d.add(DoctorOK, "list", "%s: %s of topic %s", list.Name,
				safetext.CountOf(len(members), "member"), list.Topic)
		}
	}
}

// table reads a compacted topic; nil when it cannot be read.
func (d *doctor) table(ctx context.Context, check string, o kafka.KeyTableConfig) *kafka.KeyTable {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	keys, err := kafka.ReadKeyTable(ctx, o)
	if err != nil {
		d.add(DoctorError, check, "%v", err)
		return nil
	}
	if n := keys.Rejected(); n > 0 {
		d.add(DoctorWarning, check, "%s: %s refused: too many or too long", o.Topic,
			safetext.CountOf(int(n), "record"))
	}
	return keys
}

func (d *doctor) dataDir() {
	dir := string(d.config.DataDir)
	parent := dir
	_, err := os.Stat(dir)
	absent := err != nil
	for err != nil && filepath.Dir(parent) != parent {
		parent = filepath.Dir(parent) // run creates what is below it
		_, err = os.Stat(parent)
	}
	if err = writable(parent); err != nil {
		if parent != dir {
			err = fmt.Errorf("%s cannot be created: %w", dir, err)
		}
		d.add(DoctorError, "data_dir", "%v", err)
		return
	}
	if absent {
		d.add(DoctorOK, "data_dir", "%s does not exist yet; run creates it", dir)
		return
	}
	d.add(DoctorOK, "data_dir", "%s is writable", dir)
	if s, err := InspectState(dir); err == nil {
		d.add(DoctorOK, "state", "%s, %d notifications not sent yet",
			safetext.CountOf(len(s.Partitions), "partition"), s.Outbox)
	} else if !errors.Is(err, os.ErrNotExist) {
		d.add(DoctorError, "state", "%v", err)
	}
}

// writable creates a file in a directory, and removes it.
func writable(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return fmt.Errorf("no file can be created in %s: %s", dir, problem.Reason(err))
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func (d *doctor) listen() {
	address := d.config.Web.Listen
	if address == "" {
		return
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		d.add(DoctorWarning, "listen", "%s is in use; is alert-engine running already?", address)
		return
	case err != nil:
		d.add(DoctorError, "listen", "%s: %v", address, reasonOf(err))
		return
	}
	local := loopback(l.Addr())
	l.Close()
	if !local && d.config.Web.open() {
		d.add(DoctorWarning, "listen", "%s is open to everybody; set web.token and web.read_token",
			address)
		return
	}
	d.add(DoctorOK, "listen", "%s is free", address)
}

func (d *doctor) receivers(ctx context.Context) {
	n := d.config.Notify
	urls := append([]string{string(n.WebhookURL), string(n.SlackURL)}, n.Alertmanagers...)
	for _, text := range urls {
		u, err := url.Parse(text)
		if text == "" || err != nil {
			continue
		}
		port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
		address := net.JoinHostPort(u.Hostname(), port) // the rest of the URL may be a secret
		if err := dialOnce(ctx, address); err != nil {
			d.add(DoctorError, "receiver", "%s: %v", address, err)
			continue
		}
		d.add(DoctorOK, "receiver", "%s accepts connections", address)
	}
	if n.AlertmanagerConfig != "" {
		d.add(DoctorOK, "receivers",
			"%s is valid if no error is above; alert-engine notify test sends a test",
			n.AlertmanagerConfig)
	}
}

// WriteDoctor writes findings as a table, and a summary.
func WriteDoctor(w io.Writer, findings []DoctorFinding, took time.Duration) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	n := map[string]int{}
	for _, f := range findings {
		n[f.Level]++
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Level, f.Check,
			strings.ReplaceAll(f.Detail, "\n", " "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s, %s, in %s\n", safetext.CountOf(n[DoctorError], "error"),
		safetext.CountOf(n[DoctorWarning], "warning"), duration.Measured(took))
	return err
}
