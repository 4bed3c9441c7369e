package decode

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/schema"
)

// Config is how the records of a topic are read. The zero Config detects the format of each record
// and knows the fields of all common dialects.
//
// An in-house format needs no code: Fields lists the paths of its well-known fields, Pattern splits
// its lines of text into fields, and TimeFormats lists its time layouts.
type Config struct {
	// "auto" or "" to detect, or the format of every record
	Format string `yaml:"format"`
	// by canonical path: paths that precede the built-in candidates
	Fields map[string][]string `yaml:"fields"`
	// canonical paths that have no other candidates than Fields
	Only []string `yaml:"only"`
	// a regular expression whose named groups are the fields of a line of text
	Pattern string `yaml:"pattern"`
	// further time layouts in Go's syntax: "02-01-2006 15h04"
	TimeFormats []string `yaml:"time_formats"`
	// zone of times without one; UTC by default
	TimeZone string `yaml:"time_zone"`
	// level of logs without one; UNKNOWN by default
	DefaultLevel string `yaml:"default_level"`
	// levels of words and numbers that a program uses in its own way: {"Sev1": "critical"}
	Levels map[string]string `yaml:"levels"`
	// which records are the lines of one event; none by default
	Join JoinConfig `yaml:"join,omitempty"`
	// the schemas of values that name theirs; nil for none, and such values are rejected
	Schemas schema.Source `yaml:"-"`
}

// Formats are the names that Config.Format may have.
func Formats() []string {
	return []string{
		"auto", "json", "ndjson", "otlp_json", "otlp_proto", "loki", "hec", "cloudtrail",
		"cloudwatch", "azure", "connect", "logfmt", "klog", "syslog", "cef", "leef",
		"cri", "access", "auditd", "ltsv", "influx", "windows_xml", "weblogic", "snort", "log_xml",
		"compose",
		"msgpack", "cbor", "text",
	}
}

// Validate checks the configuration.
func (c Config) Validate() error {
	_, err := c.compile()
	return err
}

// compiled is a parsed configuration.
type compiled struct {
	format  string
	pattern *regexp.Regexp
	zone    *time.Location
	level   level
	levels  map[string]level
}

func (c Config) compile() (compiled, error) {
	out := compiled{format: c.Format, level: levelUnknown}
	if out.format == "" {
		out.format = "auto"
	}
	if !slices.Contains(Formats(), out.format) {
		return out, fmt.Errorf("format %q is unknown; use one of %s", c.Format,
			strings.Join(Formats(), ", "))
	}
	if _, err := c.Join.compile(); err != nil {
		return out, err
	}
	var err error
	if c.Pattern != "" {
		if out.pattern, err = regexp.Compile(c.Pattern); err != nil {
			return out, fmt.Errorf("pattern: %w", err)
		}
		if strings.Join(out.pattern.SubexpNames(), "") == "" {
			return out, fmt.Errorf(
				"pattern %q has no named group; name one, as in (?P<message>.*)",
				c.Pattern,
			)
		}
	}
	if out.zone, err = time.LoadLocation(c.TimeZone); err != nil {
		return out, fmt.Errorf("time_zone: %w", err)
	}
	if c.DefaultLevel != "" {
		word, severity := ParseLevel(c.DefaultLevel)
		if severity == 0 && word != "UNKNOWN" {
			return out, fmt.Errorf("default_level: %q is no known level; use one such as INFO, WARN "+
				"or ERROR", c.DefaultLevel)
		}
		out.level = newLevel(word, severity)
	}
	for own, name := range c.Levels {
		word, severity := ParseLevel(name)
		if severity == 0 && word != "UNKNOWN" {
			return out, fmt.Errorf("levels: %s: %q is no known level", own, name)
		}
		if out.levels == nil {
			out.levels = map[string]level{}
		}
		out.levels[own] = newLevel(word, severity)
	}
	for _, name := range c.Only {
		if len(c.Fields[name]) == 0 {
			return out, fmt.Errorf("only: %s has no paths under fields", name)
		}
	}
	for name := range c.Fields {
		if Canonical(name) != name {
			return out, fmt.Errorf("fields: %s is an alias of %s; use %[2]s", name, Canonical(name))
		}
	}
	return out, nil
}

// candidates returns the configured paths of a field followed by the built-in ones.
func (c Config) candidates(name string, known []string) []string {
	own := c.Fields[name]
	if slices.Contains(c.Only, name) {
		return own
	}
	if len(own) == 0 {
		return known
	}
	return append(slices.Clone(own), known...)
}
