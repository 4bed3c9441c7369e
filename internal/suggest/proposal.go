package suggest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// group is the name of the group of the proposed rules.
const group = "suggested"

// Proposal is a rule that fits the logs of the sample.
type Proposal struct {
	Alert   string `json:"alert"`
	ID      string `json:"rule"` // in reports of a backtest
	Why     string `json:"why"`
	Matches int64  `json:"matches"` // in the sample

	rule ruleText
	test testText
}

// Condition is when the rule fires, in one line.
func (p Proposal) Condition() string {
	when := p.rule.When
	if when == "" {
		when = "any"
	}
	when += " in " + p.rule.Window
	if len(p.rule.By) > 0 {
		when += " by " + p.rule.By[0]
	}
	return when
}

// ruleText is the rule as a document.
type ruleText struct {
	Alert       string            `yaml:"alert"`
	Match       string            `yaml:"match,omitempty"`
	When        string            `yaml:"when,omitempty"`
	Window      string            `yaml:"window"`
	By          []string          `yaml:"by,omitempty,flow"`
	Learn       string            `yaml:"learn,omitempty"`
	Remember    string            `yaml:"remember,omitempty"`
	Labels      map[string]string `yaml:"labels,flow"`
	Annotations map[string]string `yaml:"annotations"`
}

// testText is a test of the rule as a document.
type testText struct {
	Name   string           `yaml:"name"`
	Logs   []logText        `yaml:"logs"`
	Expect []map[string]any `yaml:"expect,flow"`
}

type logText struct {
	At    string `yaml:"at"`
	Every string `yaml:"every,omitempty"`
	Times int    `yaml:"times,omitempty"`
	Log   log    `yaml:"log,flow"`
}

// Proposals are the rules that fit, in the order of the library.
func (s *Profile) Proposals() []Proposal {
	var list []Proposal
	for _, t := range s.tallies {
		if p, ok := s.propose(t); ok {
			list = append(list, p)
		}
	}
	return list
}

// propose makes a rule of a kind; false if it does not fit.
func (s *Profile) propose(t *tally) (Proposal, bool) {
	if t.matches == 0 && !t.rare {
		return Proposal{}, false
	}
	label, groups := t.grouped()
	if t.matches == 0 {
		label, groups = s.usualLabel(t)
	}
	p := Proposal{Alert: t.alert, ID: group + "/" + t.alert, Why: t.why, Matches: t.matches}
	p.rule = ruleText{
		Alert:  t.alert,
		Match:  t.match,
		Window: duration.Format(t.windowOr()),
		Labels: map[string]string{"severity": t.severity},
	}
	p.test.Name = t.alert
	summary := t.summary
	value := ""
	if label != "" {
		p.rule.By = []string{label}
		summary = "{{ .Labels." + label + " }}: " + summary
		value = typical(groups)
	}
	p.rule.Annotations = map[string]string{"summary": summary}
	ok := s.condition(t, &p, label, value, groups)
	return p, ok
}

// usualLabel is the label for a rule of which nothing is known: the one that most logs have.
func (s *Profile) usualLabel(t *tally) (string, map[string]*groupTally) {
	for _, name := range t.by {
		for _, other := range s.tallies {
			if other.measure != silent || other.by[0] != name {
				continue
			}
			if l := &other.labels[0]; !l.more && l.logs*2 > int64(s.Logs) {
				return name, l.groups
			}
		}
	}
	return "", map[string]*groupTally{"": {}}
}

// condition completes the rule and its test; false if no condition fits.
func (s *Profile) condition(
	t *tally,
	p *Proposal,
	label, value string,
	groups map[string]*groupTally,
) bool {
	with := func(more log) log {
		l := log{}
		for _, fields := range []log{t.log, more} {
			for name, v := range fields {
				l[name] = v
			}
		}
		if label != "" {
			l[label] = value
		}
		return l
	}
	window, limit := t.windowOr(), s.limit(t, groups)
	fires := func(at time.Duration) {
		expected := map[string]any{"alert": t.alert, "fires": duration.Format(at)}
		if label != "" {
			expected["labels"] = map[string]string{label: value}
		}
		p.test.Expect = append(p.test.Expect, expected)
	}
	switch t.measure {
	case seen:
		p.test.Logs = []logText{{At: "0s", Log: with(nil)}}
		fires(0)
	case counted:
		n, ok := countThreshold(groups, t.least, limit)
		if !ok {
			return false
		}
		p.rule.When = fmt.Sprintf("count() > %d", n)
		every := interval(window, n+1)
		p.test.Logs = []logText{
			{At: "0s", Every: duration.Format(every), Times: n + 1, Log: with(nil)},
		}
		fires(every * time.Duration(n))
	case share:
		n, ok := shareThreshold(groups, limit)
		if !ok {
			return false
		}
		p.rule.When = fmt.Sprintf("count(%s) / count() > %d%% and count() >= %d", t.kind.part, n,
			leastLogs)
		// all fail, so the last log that is needed decides
		every := interval(window, leastLogs)
		failed := log{"level": "ERROR"}
		if strings.HasPrefix(t.kind.part, "http.status") {
			failed = log{"level": "INFO", "http": log{"status": 500}}
		}
		p.test.Logs = []logText{
			{At: "0s", Every: duration.Format(every), Times: leastLogs, Log: with(failed)},
		}
		fires(every * (leastLogs - 1))
	case slowest:
		n, ok := slowThreshold(groups, limit)
		if !ok {
			return false
		}
		p.rule.When = fmt.Sprintf("p95(%s) > %d and count() >= %d", t.kind.field, n, leastLogs)
		every := interval(window, leastLogs)
		p.test.Logs = []logText{{
			At:    "0s",
			Every: duration.Format(every),
			Times: leastLogs,
			Log:   with(log{t.kind.field: n + 1}),
		}}
		fires(every * (leastLogs - 1))
	case silent:
		window, ok := s.silenceWindow(groups, limit.alerts)
		if !ok || label == "" {
			return false
		}
		p.rule.When, p.rule.Window, p.rule.Remember = "count() == 0", duration.Format(window), "7d"
		p.test.Logs = []logText{
			{At: "0s", Every: "1m", Times: 11, Log: with(nil)},
			{
				At:    "0s",
				Every: "1m",
				Times: int(window/time.Minute) + 20,
				Log:   with(log{label: value + "-2"}),
			},
		}
		p.test.Logs[1].Log[label] = value + "-2"
		fires(10*time.Minute + window)
	case newValue:
		p.rule.When = fmt.Sprintf("new(%s) > 0", t.kind.field)
		p.rule.Learn, p.rule.Remember = "1d", "30d"
		name := func(class string) log { return with(log{"exception": log{"class": class}}) }
		p.test.Logs = []logText{
			{At: "0s", Log: name("KnownException")},
			{At: "25h", Log: name("UnknownException")},
		}
		fires(25 * time.Hour)
	}
	return true
}

// interval is a time between n logs that all fit into half a window.
func interval(window time.Duration, n int) time.Duration {
	d := window / 2 / time.Duration(n)
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Truncate(unit)
		}
	}
	return d
}

// fileText is a rule file or a test script.
type fileText struct {
	Version   int         `yaml:"version,omitempty"`
	RuleFiles []string    `yaml:"rule_files,omitempty,flow"`
	Groups    []groupText `yaml:"groups,omitempty"`
	Tests     []testText  `yaml:"tests,omitempty"`
}

type groupText struct {
	Name  string      `yaml:"name"`
	Rules []yaml.Node `yaml:"rules"`
}

// RuleFile is the rule file of proposals. Each rule has what it is for and its own remark as a
// comment. The head is the comment of the file.
func RuleFile(head string, list []Proposal, remark func(Proposal) string) ([]byte, error) {
	rules := make([]yaml.Node, len(list))
	for i, p := range list {
		var err error
		if rules[i], err = p.node(remark(p)); err != nil {
			return nil, err
		}
	}
	return document(head, fileText{Version: 1, Groups: []groupText{{group, rules}}})
}

// node is the rule of a proposal in YAML, with what it is for and a remark as a comment.
func (p Proposal) node(remark string) (n yaml.Node, err error) {
	err = n.Encode(p.rule)
	n.HeadComment = comment(p.Why + "\n" + remark)
	return n, err
}

// RuleText is the rule of a proposal in YAML, as JoinRules reads it.
func RuleText(p Proposal) (string, error) {
	n, err := p.node("")
	if err != nil {
		return "", err
	}
	text, err := yaml.Marshal(&n)
	return string(text), err
}

// JoinRules is the rule file of rules that RuleText returned, perhaps to a client, which may have
// changed them.
func JoinRules(texts []string) ([]byte, error) {
	var rules []yaml.Node
	for _, text := range texts {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			return nil, err
		}
		if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode ||
			len(doc.Content[0].Content) == 0 {
			return nil, errors.New("a rule is a map")
		}
		rule := *doc.Content[0]
		first := rule.Content[0] // has the comment of the rule
		rule.HeadComment, first.HeadComment = cmp.Or(first.HeadComment, doc.HeadComment), ""
		rules = append(rules, rule)
	}
	return document("", fileText{Version: 1, Groups: []groupText{{group, rules}}})
}

// TestScript is a script that the rules of proposals pass; file is the rule file, relative to it.
func TestScript(file string, list []Proposal) ([]byte, error) {
	text := fileText{RuleFiles: []string{file}}
	for _, p := range list {
		text.Tests = append(text.Tests, p.test)
	}
	return document("Each rule of "+file+" fires as intended.", text)
}

// document is a YAML document under a comment.
func document(head string, text fileText) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(comment(head) + "\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(text); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// comment is text as comment lines of YAML, whatever is in it.
func comment(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, "# "+safetext.ClipLine(strings.TrimSpace(line), 200))
	}
	return strings.Join(lines, "\n")
}
