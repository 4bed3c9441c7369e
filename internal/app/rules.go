package app

import (
	"path"
	"path/filepath"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// ownRules is the directory of the rules that are written on the pages. They are rule files like
// any others, but for who writes them.
func (c *Config) ownRules() string { return filepath.Join(string(c.DataDir), "rules") }

// ownRuleFiles are the files in that directory; none when there is none.
func (c *Config) ownRuleFiles() []string {
	// the pattern is well formed, unless the directory's name makes it none
	files, _ := filepath.Glob(filepath.Join(c.ownRules(), "*.rules.yml"))
	return files
}

// loadRules reads the rule files and Sigma rules of a configuration, and the rule files that were
// written on the pages.
func loadRules(c *Config) (*rule.Set, error) {
	set, _, err := (&sigmaFiles{once: true}).rules(c)
	return set, err
}

// rules is as loadRules, with a report about the Sigma rules. A file of them that is bad now keeps
// the form in which s read it last.
func (s *sigmaFiles) rules(c *Config) (*rule.Set, *SigmaReport, error) {
	files := c.ruleFiles()
	if len(files)+len(c.Sigma) == 0 {
		return nil, nil, errNoRules(c)
	}
	return s.load(c.Sigma, nil, files)
}

// LoadRules reads what commands are given as rules: rule files, patterns and directories of them;
// configuration files, for the rules that they name; Sigma rules and directories of them.
func LoadRules(names []string, getenv func(string) string) (*rule.Set, *SigmaReport, error) {
	var files []string
	var configs []SigmaConfig
	for _, name := range names {
		switch kindOf(name) {
		case configFile:
			c, err := LoadConfig(name, getenv, nil)
			if err != nil {
				return nil, nil, err
			}
			files, configs = append(files, c.ruleFiles()...), append(configs, c.Sigma...)
		case sigmaFile:
			configs = append(configs, SigmaConfig{Path: []Path{Path(name)}})
		default:
			files = append(files, name)
		}
	}
	return (&sigmaFiles{once: true}).load(configs, nil, files)
}

// readRuleTexts reads the same files as texts.
func readRuleTexts(c *Config) ([]rule.File, error) { return rule.Files(c.ruleFiles()...) }

func errNoRules(c *Config) error {
	return problem.New(problem.Pos{File: c.file},
		"name rule files under rules, or with --rules, or Sigma rules under sigma",
		"there are no rules")
}

// ruleFiles are the names, patterns and directories of the rule files.
func (c *Config) ruleFiles() []string {
	files := make([]string, len(c.Rules))
	for i, file := range c.Rules {
		files[i] = string(file)
	}
	return append(files, c.ownRuleFiles()...)
}

// Format is how records of a topic are read: by the first format whose topic matches.
func (c *Config) Format(topic string) decode.Config {
	var found decode.Config
	for _, f := range c.Formats {
		if ok, err := path.Match(f.Topic, topic); ok && err == nil {
			found = f.Config
			break
		}
	}
	found.Schemas = c.schemas.of(c, topic)
	return found
}
