package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

func newDecodeCommand() *cobra.Command {
	var c decodeCommand
	cmd := &cobra.Command{
		Use:   "decode [FILE|-]",
		Short: "Show the fields that rules see in logs",
		Long: `Decode reads records, one per line, as run does, and prints each log in them as a line of JSON:
well-known fields by their names in rules, all others under "fields". Files may be compressed with
gzip or zstd.

Records without a log, such as empty lines, are skipped; records that cannot be decoded are rejected.
Both are reported with the reason.

Exit status: 0, or 1 if a record was rejected.

A corpus (--corpus) has one record per line, with headers and time, binary values in base64:
  {"id": "a", "ts_ms": 1777889480000, "headers": {"service": "shop"}, "value": "..."}
Instead of "value" it can have "value_b64". The answer is one line per record:
  {"id", "format", "entries": [...], "drop": reason, "error": reason}`,
		Example: `  alert-engine decode app.log
  kcat -b kafka:9092 -t logs -C -c 100 | alert-engine decode --verbose
  alert-engine decode --format json app.log            reject what is not JSON
  alert-engine decode --record-time 2026-05-04T10:11:12Z syslog.gz
  alert-engine decode --format otlp_proto export.bin   a file of protobuf is one record`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "-"
			if len(args) > 0 {
				name = args[0]
			}
			c.out, c.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return c.run(name, cmd.InOrStdin())
		},
	}
	cmd.Flags().
		StringVar(&c.cfg.Format, "format", "auto", "format of all records: "+
			strings.Join(decode.Formats(), ", "))
	cmd.Flags().StringVar(&c.cfg.TimeZone, "time-zone", "UTC", "time zone of times without one")
	cmd.Flags().
		StringVar(&c.cfg.DefaultLevel, "default-level", "", "level of logs without one (UNKNOWN)")
	cmd.Flags().
		StringVar(&c.cfg.Pattern, "pattern", "",
			"regular expression whose named groups are the fields of a text line")
	cmd.Flags().
		StringVar(&c.recordTime, "record-time", "",
			"timestamp of the records, for logs without a time (default: of the file, or now)")
	cmd.Flags().
		BoolVar(&c.corpus, "corpus", false, "each line is a record with headers and time")
	cmd.Flags().BoolVar(&c.verbose, "verbose", false, "show where each well-known field was found")
	return cmd
}

// decodeCommand is one run of decode.
type decodeCommand struct {
	cfg             decode.Config
	recordTime      string
	corpus, verbose bool
	out, err        io.Writer
	decoders        map[string]*decode.Decoder
	refused         bool
}

// decodedLog is a log as decode prints it.
type decodedLog struct {
	models.LogEntry
	Format  string            `json:"format"`
	Sources map[string]string `json:"sources,omitempty"`
}

// decodedRecord is the answer to a line of a corpus.
type decodedRecord struct {
	ID      string              `json:"id"`
	Format  string              `json:"format"`
	Entries []models.LogEntry   `json:"entries"`
	Drop    decode.Reason       `json:"drop,omitempty"`
	Error   decode.Reason       `json:"error,omitempty"`
	Detail  string              `json:"detail,omitempty"`
	Sources []map[string]string `json:"sources,omitempty"`
}

func (c *decodeCommand) run(name string, stdin io.Reader) error {
	if err := c.cfg.Validate(); err != nil {
		return err
	}
	at, err := c.time(name)
	if err != nil {
		return err
	}
	c.decoders = map[string]*decode.Decoder{}
	options := decode.ReadOptions{
		Time:   at,
		Corpus: c.corpus,
		Whole:  c.cfg.Format == "otlp_proto" && !c.corpus,
	}
	out := newJSONEncoder(c.out)
	for s, err := range c.samples(name, stdin, options) {
		if err != nil {
			var file *os.PathError
			if errors.As(err, &file) {
				return err
			}
			c.refused = true
			fmt.Fprintln(c.err, "alert-engine:", err)
			continue
		}
		if err := c.sample(out, &s); err != nil {
			return err
		}
	}
	if c.refused {
		return exitCode(1)
	}
	return nil
}

func (c *decodeCommand) samples(
	name string,
	stdin io.Reader,
	o decode.ReadOptions,
) iter.Seq2[decode.Sample, error] {
	if name == "-" {
		return decode.Read(stdin, "standard input", o)
	}
	return decode.ReadFile(name, o)
}

// time is the time that records without one have: as asked for, or the file's own, so that reading
// it tomorrow gives the same logs as today.
func (c *decodeCommand) time(name string) (time.Time, error) {
	if c.recordTime != "" {
		at, err := time.Parse(time.RFC3339Nano, c.recordTime)
		if err != nil {
			return at, fmt.Errorf(
				"--record-time %q is not a time; write it like 2026-05-04T10:11:12Z",
				c.recordTime,
			)
		}
		return at, nil
	}
	if name == "-" {
		return time.Now(), nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// decoder returns the decoder for a record. A corpus may say that a record is in protobuf, which
// its bytes do not show.
func (c *decodeCommand) decoder(format string) (*decode.Decoder, error) {
	cfg := c.cfg
	if (cfg.Format == "auto" || cfg.Format == "") && format == "otlp_proto" {
		cfg.Format = format
	}
	d, ok := c.decoders[cfg.Format]
	if !ok {
		var err error
		if d, err = decode.New(cfg, decode.NewFields()); err != nil {
			return nil, err
		}
		c.decoders[cfg.Format] = d
	}
	return d, nil
}

func (c *decodeCommand) sample(out *json.Encoder, s *decode.Sample) error {
	d, err := c.decoder(s.Format)
	if err != nil {
		return err
	}
	answer := decodedRecord{ID: s.ID, Entries: []models.LogEntry{}}
	d.Decode(&s.Record, func(l *decode.Log) {
		if answer.Format == "" {
			answer.Format = l.Format()
		}
		switch {
		case c.corpus:
			answer.Entries = append(answer.Entries, l.Entry())
			if c.verbose {
				answer.Sources = append(answer.Sources, sources(l))
			}
		case err == nil:
			err = out.Encode(c.shown(l))
		}
	}, func(reason decode.Reason, detail string) {
		if reason.Drop() {
			answer.Drop = reason
		} else {
			answer.Error, answer.Detail = reason, detail
			c.refused = true
		}
		if !c.corpus {
			verb := "refused"
			if reason.Drop() {
				verb = "skipped"
			}
			fmt.Fprintf(c.err, "line %d: %s: %s: %s\n", s.Line, verb, reason, detail)
		}
	})
	if err == nil && c.corpus {
		err = out.Encode(answer)
	}
	return err
}

func (c *decodeCommand) shown(l *decode.Log) decodedLog {
	shown := decodedLog{LogEntry: l.Entry(), Format: l.Format()}
	if c.verbose {
		shown.Sources = sources(l)
	}
	return shown
}

// sources says where each well-known field of a log was read.
func sources(l *decode.Log) map[string]string {
	from := map[string]string{"timestamp": l.TimeSource()}
	fields := decode.NewFields()
	for id := range decode.FieldRaw {
		if source := l.Source(id); source != "" {
			from[fields.Path(id)] = source
		}
	}
	return from
}
