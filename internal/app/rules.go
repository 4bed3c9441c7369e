package app

import (
	"path"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// loadRules reads the rule files of a configuration.
func loadRules(c *Config) (*rule.Set, error) {
	if len(c.Rules) == 0 {
		return nil, Problem{File: c.file, Text: "there are no rules", Hint: "name files with --rules"}
	}
	files := make([]string, len(c.Rules))
	for i, file := range c.Rules {
		files[i] = string(file)
	}
	return rule.Load(files...)
}

// Format is how records of a topic are read: by the first format whose topic matches.
func (c *Config) Format(topic string) decode.Config {
	for _, f := range c.Formats {
		if ok, err := path.Match(f.Topic, topic); ok && err == nil {
			return f.Config
		}
	}
	return decode.Config{}
}
