package app

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const example = "../../alert-engine.example.yml"

func noEnv(string) string { return "" }

// The example configuration can be copied and used as it is.
func TestExampleConfigLoads(t *testing.T) {
	c, err := LoadConfig(example, noEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := DefaultConfig()
	c.Rules, c.Notify, c.DataDir, c.file = nil, NotifyConfig{}, d.DataDir, ""
	if diff := cmp.Diff(&d, c, cmp.AllowUnexported(Config{})); diff != "" {
		t.Errorf("the example says other than the defaults (-default +example):\n%s", diff)
	}
}

// Every setting that the example shows switched off exists, and every setting that exists is shown.
func TestExampleConfigIsComplete(t *testing.T) {
	raw, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	full := regexp.MustCompile(`(?m)^#([^ ]|  +[^ #])`).ReplaceAllString(string(raw), "$1")
	c := DefaultConfig()
	env := func(name string) string { return "value of " + name }
	if err := readConfig(example, []byte(full), env, &c); err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(full), &doc); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
			p := joined(path, n.Content[i].Value)
			shown[p] = true
			walk(n.Content[i+1], p)
		}
		for i := 0; n.Kind == yaml.SequenceNode && i < len(n.Content); i++ {
			walk(n.Content[i], path+"[]")
		}
	}
	walk(doc.Content[0], "")
	for _, key := range keys() {
		if !shown[key] {
			t.Errorf("the example does not show %s", key)
		}
	}
}

func joined(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

// keys lists every key of the configuration, dotted.
func keys() []string {
	var all []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			switch {
			case strings.Contains(options, "inline"):
				walk(f.Type, path)
				continue
			case name == "" || name == "-":
				continue
			}
			all = append(all, joined(path, name))
			switch {
			case f.Type.Kind() == reflect.Struct:
				walk(f.Type, joined(path, name))
			case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
				walk(f.Type.Elem(), joined(path, name)+"[]")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return all
}

// A misspelt key is an error that says where it stands and what was probably meant.
func TestConfigProblems(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "c.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadConfig(file, noEnv, nil)
		if err == nil {
			t.Errorf("no error for %q", text)
			return
		}
		got := strings.Split(strings.ReplaceAll(err.Error(), file, "c.yml"), "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("problems of %q (-want +got):\n%s", text, diff)
		}
	}
	f("kafka:\n  broker: [a:1]\n", `c.yml:2:3: unknown key "kafka.broker"; did you mean "brokers"?`)
	f(
		"wbe:\n  listen: :80\ndatadir: x\n",
		`c.yml:1:1: unknown key "wbe"; did you mean "web"?`,
		`c.yml:3:1: unknown key "datadir"; did you mean "data_dir"?`,
	)
	f(
		"kafka: {topics: [a b]}\n",
		`c.yml: kafka.topics has the name "a b"; a topic has at most 249 letters, digits, '.', '_' `+
			`and '-'`,
	)
	f(
		"kafka: {topics: [a], group: my group}\ncluster: {enabled: true}\n",
		`c.yml: a topic of the cluster would be called "my group.snapshots"; set cluster.prefix to `+
			`letters, digits, '.', '_' and '-'`,
	)
	f(
		"kafka: {topics: [a]}\nnotify: {lookups: [{topic: o w, by: [team name]}]}\n",
		`c.yml: notify.lookups[0]: by has "team name", which is not a label; a label has letters, `+
			`digits and '_'`,
		`c.yml: notify.lookups[0]: the topic "o w" is not a topic name; it has at most 249 `+
			`letters, digits, '.', '_' and '-'`,
	)
	f(
		"kafka: {topics: [a]}\n"+
			"notify: {kafka_topic: alerts, lookups: [{topic: alerts, by: [team]}]}\n",
		`c.yml: notify.lookups[0]: alert-engine writes to topic "alerts"; a table has a topic of `+
			`its own`,
	)
	f("log: {colour: true}\n", `c.yml:1:7: unknown key "log.colour"; known are format, level`)
	f(
		"log:\n  level: info\n  level: warn\n",
		`c.yml:3:3: "log.level" is given twice; it is also in line 2`,
	)
	f(
		"kafka:\n  max_wait: 5\n",
		`c.yml:2:13: kafka.max_wait: "5" has no unit; try "5s" or "5m"`,
	)
	f(
		"kafka:\n  max_wait: soon\n",
		`c.yml:2:13: kafka.max_wait: "soon" is not a duration; durations are like 90s, 5m, 1h30m,`+
			` 1.5h or 7d`,
	)
	f(
		"kafka: {max_bytes: much}\n",
		`c.yml:1:20: kafka.max_bytes: "much" is not a size; try 64KB or 10MB`,
	)
	f(
		"kafka: {start: yesterday}\n",
		`c.yml:1:16: kafka.start: "yesterday" is not a start position; use start, end, or an offset`,
	)
	f("kafka: [a]\n", `c.yml:1:8: kafka: a mapping is expected, not a list; write key: value`)
	f(
		"web: {pprof: perhaps}\n",
		`c.yml:1:14: web.pprof: "perhaps" is not true or false; write true or false`,
	)
	f("web: {token: '${NOT_SET}'}\n", `c.yml:1:14: environment variable NOT_SET is not set`)
	f("web: {token_file: /gone}\n", `c.yml: web.token_file: open /gone: no such file or directory`)
	f("a: b: c\n", `c.yml:1:1: mapping values are not allowed in this context`)
	f(
		"kafka: {sasl: {mechanism: SCRAM-SHA-521, username: a}}\n",
		`c.yml: kafka.sasl.mechanism "SCRAM-SHA-521" is unknown; did you mean "SCRAM-SHA-512"?`,
	)
	f("kafka: {topics: []}\n",
		`c.yml: kafka.topics and kafka.topic_patterns are empty; name at least one topic`)
	f("kafka: {brokers: [localhost], topics: []}\n",
		`c.yml: kafka.brokers: "localhost" is not a host:port; try localhost:9092`,
		`c.yml: kafka.topics and kafka.topic_patterns are empty; name at least one topic`)
	f(
		`kafka: {brokers: ["http://kafka:9092/", "ssl://kafka", "a:9092,b:9092", "kafka:https"]}`+
			"\n",
		`c.yml: kafka.brokers: "a:9092,b:9092" is not a host:port; brokers are a list; write `+
			`[a:9092, b:9092]`,
		`c.yml: kafka.brokers: "http://kafka:9092/" is not a host:port; write it without http://,`+
			` as kafka:9092 (Kafka does not speak HTTP)`,
		`c.yml: kafka.brokers: "kafka:https" is not a host:port; a port is a number from 1 to `+
			`65535, as in kafka:9092`,
		`c.yml: kafka.brokers: "ssl://kafka" is not a host:port; write it without ssl://, as `+
			`kafka:9092, and set kafka.tls.enabled (--tls)`,
	)
}

// Flags win over the environment, the environment over the file, the file over the defaults.
func TestConfigPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(file, []byte(
		"kafka: {brokers: [file:1], group: file, topics: [file]}\nrules: [r.yml]\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"ALERT_ENGINE_GROUP": "env", "ALERT_ENGINE_TOPIC": "a,b"}
	c, err := LoadConfig(file, func(k string) string {
		return env[k]
	}, map[string][]string{"topic": {"flag"}, "rules": {"x.yml"}})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Kafka.Brokers, c.Kafka.Group, c.Kafka.Topics, c.Kafka.ClientID, c.Rules}
	if diff := cmp.Diff([]any{[]string{"file:1"}, "env", []string{"flag"}, "alert-engine",
		[]Path{"x.yml"}}, got); diff != "" {
		t.Error(diff)
	}
}

// A path in the file is relative to the file; the same path as a flag is relative to where I am.
func TestConfigPaths(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yml")
	if err := os.WriteFile(file, []byte("rules: [rules/*.yml, /etc/r.yml]\ndata_dir: state\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(file, noEnv, map[string][]string{"alertmanager-config": {"am.yml"}})
	if err != nil {
		t.Fatal(err)
	}
	got := append(c.Rules, c.DataDir, c.Notify.AlertmanagerConfig)
	if diff := cmp.Diff([]Path{Path(filepath.Join(dir, "rules/*.yml")), "/etc/r.yml",
		Path(filepath.Join(dir, "state")), "am.yml"}, got); diff != "" {
		t.Error(diff)
	}
}

// The configuration can be shown to a colleague: no secret is in it, and it can be read again.
func TestConfigYAMLHidesSecrets(t *testing.T) {
	dir := t.TempDir()
	file, password := filepath.Join(dir, "c.yml"), filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("hush-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "kafka: {max_wait: 2s, max_bytes: 64KB, start: end, sasl: {mechanism: PLAIN, " +
		"username: u, password_file: password}}\n" +
		"notify: {slack_url: 'https://example.com/${HOOK}'}\nweb: {token: hush-plain}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(file, func(k string) string {
		return map[string]string{"HOOK": "hush-env"}[k]
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := []Secret{c.Kafka.SASL.Password, c.Notify.SlackURL, c.Web.Token}; !cmp.Equal(got,
		[]Secret{
			"hush-file", "https://example.com/hush-env", "hush-plain",
		}) {
		t.Errorf(
			"secrets were read as %q",
			[]string{string(got[0]), string(got[1]), string(got[2])},
		)
	}
	shown, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), "hush") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	var back Config
	if err := readConfig("shown.yml", shown, noEnv, &back); err != nil {
		t.Error(err)
	}
	if back.Kafka.MaxWait != 2*time.Second || back.Kafka.MaxBytes != 64<<10 ||
		back.Kafka.Start != StartEnd {
		t.Errorf("read back as %+v", back.Kafka)
	}
}

// A key of an earlier version is refused with what to do instead.
func TestRemovedKeys(t *testing.T) {
	for key, hint := range map[string]string{
		"record_key: [service]": "cluster.enabled", "changelog_topic: a": "cluster.enabled",
	} {
		file := filepath.Join(t.TempDir(), "c.yml")
		if err := os.WriteFile(file, []byte("kafka: {"+key+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadConfig(file, noEnv, nil)
		if err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v, want a hint at %s", key, err, hint)
		}
	}
}

// With patterns alone, the default topic is not read.
func TestTopicPatternsReplaceTheDefault(t *testing.T) {
	f := func(text string, topics ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "c.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(file, noEnv, nil)
		if err != nil || !slices.Equal(c.Kafka.Topics, topics) {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
	f("kafka: {topic_patterns: ['^shop-']}\n")
	f("kafka: {topic_patterns: ['^shop-'], topics: [audit]}\n", "audit")
	f("kafka: {group: g}\n", "application-logs")
}
