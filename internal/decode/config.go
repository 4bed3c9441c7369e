package decode

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config says how records of a topic are read. The zero Config detects the format of each record
// and reads what is known of every dialect.
//
// An in-house format needs configuration, not code: Fields says where the well-known fields stand
// in it, Pattern cuts its lines of text into fields, and TimeFormats spells its times.
type Config struct {
	// "auto" or "" to detect; else the name of a format, to which every record is held
	Format string `yaml:"format"`
	// by canonical path: paths that are tried before the known ones
	Fields map[string][]string `yaml:"fields"`
	// canonical paths for which nothing but Fields is tried
	Only []string `yaml:"only"`
	// a regular expression whose named groups are the fields of a line of text
	Pattern string `yaml:"pattern"`
	// further times, as Go spells them: "02-01-2006 15h04"
	TimeFormats []string `yaml:"time_formats"`
	// of times that name none; UTC by default
	TimeZone string `yaml:"time_zone"`
	// of logs that name none; UNKNOWN by default
	DefaultLevel string `yaml:"default_level"`
}

// Formats are the names that Config.Format may have.
func Formats() []string {
	return []string{
		"auto", "json", "ndjson", "otlp_json", "otlp_proto", "loki", "hec", "cloudtrail", "cloudwatch", "azure", "connect", "logfmt", "klog", "syslog", "cef", "leef",
		"cri", "access", "auditd", "ltsv", "text",
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	_, err := c.compile()
	return err
}

// compiled is a configuration made ready for use.
type compiled struct {
	format  string
	pattern *regexp.Regexp
	zone    *time.Location
	level   level
}

func (c Config) compile() (compiled, error) {
	out := compiled{format: c.Format, level: levelUnknown}
	if out.format == "" {
		out.format = "auto"
	}
	if !slices.Contains(Formats(), out.format) {
		return out, fmt.Errorf(
			"format %q is not known; it is one of %s",
			c.Format,
			strings.Join(Formats(), ", "),
		)
	}
	var err error
	if c.Pattern != "" {
		if out.pattern, err = regexp.Compile(c.Pattern); err != nil {
			return out, fmt.Errorf("pattern: %w", err)
		}
		if strings.Join(out.pattern.SubexpNames(), "") == "" {
			return out, fmt.Errorf(
				"pattern %q names no field; name its groups, as in (?P<message>.*)",
				c.Pattern,
			)
		}
	}
	if out.zone, err = time.LoadLocation(c.TimeZone); err != nil {
		return out, fmt.Errorf("time_zone: %w", err)
	}
	if c.DefaultLevel != "" {
		word, severity := ParseLevel(c.DefaultLevel)
		out.level = newLevel(word, severity)
	}
	for _, name := range c.Only {
		if len(c.Fields[name]) == 0 {
			return out, fmt.Errorf("only: %s has no paths of its own under fields", name)
		}
	}
	for name := range c.Fields {
		if Canonical(name) != name {
			return out, fmt.Errorf(
				"fields: %s is another name of %s; write that",
				name,
				Canonical(name),
			)
		}
	}
	return out, nil
}

// candidates puts the configured paths of a field before the known ones.
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
