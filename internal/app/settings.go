package app

import (
	"fmt"
	"strconv"
	"strings"
)

// Setting is one of the essentials that can also be given as a flag or in the environment, where a
// whole file would be too much.
type Setting struct {
	Name string // of the flag
	Help string
	Many bool // may be repeated; separated by commas in the environment
	Bool bool
	set  func(c *Config, values []string) error
}

// Env is the environment variable of the setting.
func (s Setting) Env() string {
	return "ALERT_ENGINE_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// sets reports whether the setting is the one of a key of the configuration: sasl-mechanism is
// kafka.sasl.mechanism, and topic is kafka.topics.
func (s Setting) sets(key string) bool {
	key = "." + strings.ReplaceAll(key, "_", ".")
	name := "." + strings.ReplaceAll(s.Name, "-", ".")
	return strings.HasSuffix(key, name) || s.Many && strings.HasSuffix(key, name+"s")
}

// Settings are the essentials, in the order in which help lists them.
var Settings = []Setting{
	many("brokers", "Kafka brokers, host:port", func(c *Config) *[]string {
		return &c.Kafka.Brokers
	}),
	{
		Name: "topic",
		Help: "topic to read; repeat for more",
		Many: true,
		set: func(c *Config, v []string) error {
			c.Kafka.Topics, c.Kafka.TopicPatterns = v, nil
			return nil
		},
	},
	{
		Name: "topic-pattern",
		Help: "regular expression of topics to read",
		Many: true,
		set: func(c *Config, v []string) error {
			// With patterns alone the default topic is not meant.
			if len(c.Kafka.Topics) == 1 && c.Kafka.Topics[0] == DefaultConfig().Kafka.Topics[0] {
				c.Kafka.Topics = nil
			}
			c.Kafka.TopicPatterns = v
			return nil
		},
	},
	text("group", "consumer group", func(c *Config) *string { return &c.Kafka.Group }),
	text(
		"instance-id",
		"name of this static member of the group; none for a dynamic one",
		func(c *Config) *string { return &c.Kafka.InstanceID },
	),
	text(
		"rack",
		"zone of this process, as brokers name theirs in broker.rack",
		func(c *Config) *string { return &c.Kafka.Rack },
	),
	{
		Name: "start",
		Help: "where a new group starts: start, end or an offset",
		set: func(c *Config, v []string) error {
			return c.Kafka.Start.UnmarshalText([]byte(v[0]))
		},
	},
	text(
		"sasl-mechanism",
		"PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM",
		func(c *Config) *string { return &c.Kafka.SASL.Mechanism },
	),
	text("sasl-username", "user name for Kafka", func(c *Config) *string {
		return &c.Kafka.SASL.Username
	}),
	text(
		"sasl-password-file",
		"file that holds the password for Kafka",
		func(c *Config) *Path { return &c.Kafka.SASL.PasswordFile },
	),
	boolean("tls", "use TLS for Kafka", func(c *Config) *bool { return &c.Kafka.TLS.Enabled }),
	text(
		"tls-ca-file",
		"file with the CA certificates of the brokers",
		func(c *Config) *Path { return &c.Kafka.TLS.CAFile },
	),
	many("rules", "rule files, also globs; repeat for more", func(c *Config) *[]Path {
		return &c.Rules
	}),
	text(
		"alertmanager-config",
		"an alertmanager.yml with routes and receivers",
		func(c *Config) *Path { return &c.Notify.AlertmanagerConfig },
	),
	text(
		"webhook-url",
		"URL that alerts are posted to, as Alertmanager does",
		func(c *Config) *Secret { return &c.Notify.WebhookURL },
	),
	text("slack-url", "Slack incoming webhook", func(c *Config) *Secret {
		return &c.Notify.SlackURL
	}),
	text(
		"webhook-url-file",
		"file with the URL that notifications are posted to",
		func(c *Config) *Path { return &c.Notify.WebhookURLFile },
	),
	text(
		"slack-url-file",
		"file with the Slack incoming webhook",
		func(c *Config) *Path { return &c.Notify.SlackURLFile },
	),
	many(
		"alertmanager",
		"URL of an Alertmanager of your own; repeat for more",
		func(c *Config) *[]string { return &c.Notify.Alertmanagers },
	),
	boolean("terminal", "print alerts to the terminal, too", func(c *Config) *bool {
		return &c.Notify.Terminal
	}),
	text(
		"external-url",
		"URL of the pages, for links in notifications",
		func(c *Config) *string { return &c.Notify.ExternalURL },
	),
	text("listen", "address of pages, metrics and API; - for none", func(c *Config) *string {
		return &c.Web.Listen
	}),
	text(
		"web-config-file",
		"TLS and passwords for the pages, in the format of Prometheus",
		func(c *Config) *Path { return &c.Web.ConfigFile },
	),
	boolean("pprof", "serve profiles under /debug/pprof", func(c *Config) *bool {
		return &c.Web.PProf
	}),
	text("data-dir", "directory for state", func(c *Config) *Path { return &c.DataDir }),
	{
		Name: "log-level",
		Help: "debug, info, warn or error",
		set: func(c *Config, v []string) error {
			if err := c.Log.Level.UnmarshalText([]byte(v[0])); err != nil {
				return fmt.Errorf("%q is not a level; use debug, info, warn or error", v[0])
			}
			return nil
		},
	},
	text("log-format", "text or json", func(c *Config) *string { return &c.Log.Format }),
}

func text[S ~string](name, help string, at func(*Config) *S) Setting {
	return Setting{
		Name: name,
		Help: help,
		set: func(c *Config, v []string) error {
			if *at(c) = S(v[0]); v[0] == "-" {
				*at(c) = ""
			}
			return nil
		},
	}
}

func many[S ~string](name, help string, at func(*Config) *[]S) Setting {
	return Setting{
		Name: name,
		Help: help,
		Many: true,
		set: func(c *Config, v []string) error {
			*at(c) = nil
			for _, text := range v {
				*at(c) = append(*at(c), S(text))
			}
			return nil
		},
	}
}

func boolean(name, help string, at func(*Config) *bool) Setting {
	return Setting{
		Name: name,
		Help: help,
		Bool: true,
		set: func(c *Config, v []string) error {
			b, err := strconv.ParseBool(v[0])
			if err != nil {
				return fmt.Errorf("%q is not true or false", v[0])
			}
			*at(c) = b
			return nil
		},
	}
}
