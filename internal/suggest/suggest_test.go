package suggest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

var monday = time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)

// sample is a profile that a test adds logs to.
type sample struct {
	*Profile
	t *testing.T
}

func newSample(t *testing.T) sample {
	t.Helper()
	s, err := NewProfile(func(string) decode.Config { return decode.Config{} })
	if err != nil {
		t.Fatal(err)
	}
	return sample{s, t}
}

func (s sample) add(at time.Duration, l log) {
	s.t.Helper()
	l = maps.Clone(l)
	l["timestamp"] = monday.Add(at)
	value, err := json.Marshal(l)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Add(&models.Record{Topic: "logs", Timestamp: monday.Add(at),
		Value: value}); err != nil {
		s.t.Fatal(err)
	}
}

// conditions are those of all proposals by their alert.
func (s sample) conditions() map[string]string {
	list := map[string]string{}
	for _, p := range s.Proposals() {
		list[p.Alert] = p.Condition()
	}
	return list
}

func (s sample) want(alert, condition string) {
	s.t.Helper()
	if got := s.conditions()[alert]; got != condition {
		s.t.Errorf("%s is %q, not %q", alert, got, condition)
	}
}

// every adds a log at regular times.
func (s sample) every(step, from, to time.Duration, l log) {
	s.t.Helper()
	for at := from; at < to; at += step {
		s.add(at, l)
	}
}

const day = 24 * time.Hour

// An incident a day does not raise the threshold; what happens each hour does.
func TestThresholdIsAboveTheUsual(t *testing.T) {
	s := newSample(t)
	failed := log{"level": "ERROR", "service": "cart", "message": "failed"}
	for hour := range 72 {
		at := time.Duration(hour) * time.Hour
		for i := range 12 { // usual
			s.add(at+time.Duration(i)*time.Second, failed)
		}
	}
	for d := range 3 { // incidents
		for i := range 500 {
			s.add(time.Duration(d)*day+30*time.Minute+time.Duration(i)*time.Second/10, failed)
		}
	}
	s.want("ServiceErrors", "count() > 15 in 5m by service")
}

func TestThresholdsOfSharesAndTimes(t *testing.T) {
	s := newSample(t)
	for i := range 2 * 24 * 60 * 60 / 5 {
		l := log{"level": "INFO", "service": "cart", "message": "GET", "duration_ms": 80 + i%100*2}
		if i%25 == 0 {
			l["level"] = "ERROR"
		}
		s.add(time.Duration(i)*5*time.Second, l)
	}
	s.want("ErrorShare", "count(level>=ERROR) / count() > 5% and count() >= 50 in 5m by service")
	s.want("SlowRequests", "p95(duration_ms) > 300 and count() >= 50 in 5m by service")
}

// Where errors are usual, or logs are few, a share says nothing.
func TestNoShareWhereErrorsAreUsual(t *testing.T) {
	s := newSample(t)
	s.every(time.Second, 0, time.Hour, log{"level": "ERROR", "service": "cart", "message": "x"})
	s.want("ErrorShare", "")
	s = newSample(t)
	s.every(time.Minute, 0, 10*time.Hour, log{"level": "INFO", "service": "cart", "message": "x"})
	s.want("ErrorShare", "")
}

func TestSilence(t *testing.T) {
	s := newSample(t)
	for _, host := range []string{"web-1", "web-2"} {
		s.every(8*time.Minute, 0, day, log{"host": host, "message": "beat"})
	}
	s.want("HostSilent", "count() == 0 in 10m by host")
	s.every(time.Hour, 0, day, log{"host": "batch", "message": "beat"})
	s.want("HostSilent", "count() == 0 in 2h by host")

	s = newSample(t)
	s.every(3*time.Hour, 0, 10*day, log{"host": "web-1", "message": "beat"})
	s.want("HostSilent", "")
}

// A label with a value of its own in every log groups nothing, nor does one that few logs have.
func TestGroups(t *testing.T) {
	s := newSample(t)
	for i := range 1000 {
		s.add(time.Duration(i)*time.Second, log{
			"level": "ERROR", "service": fmt.Sprint("job-", i), "host": "web-1", "message": "x",
		})
	}
	if got := s.conditions()["ServiceErrors"]; !strings.HasSuffix(got, " by host") {
		t.Errorf("the condition is %q", got)
	}
	s = newSample(t)
	s.every(time.Second, 0, time.Minute, log{"level": "ERROR", "message": "x"})
	if got := s.conditions()["ServiceErrors"]; !strings.HasSuffix(got, " in 5m") {
		t.Errorf("the condition is %q", got)
	}
}

// Of logs that show none of it, only what is always worth a page is proposed.
func TestRareRulesAreProposedAnyway(t *testing.T) {
	s := newSample(t)
	s.every(10*time.Minute, 0, day, log{"service": "cart", "message": "all is well"})
	got := s.conditions()
	for _, k := range library {
		if _, ok := got[k.alert]; ok != k.rare && k.measure != silent {
			t.Errorf("%s: proposed %v, rare %v", k.alert, ok, k.rare)
		}
	}
}

// Every rule of the library is proposed for logs that it is for, is free of errors and warnings,
// and passes its test in any order of arrival and through restarts.
func TestProposalsPassTheirTests(t *testing.T) {
	s := newSample(t)
	for i := range 24 * 60 {
		at := time.Duration(i) * time.Minute
		for j := range 12 { // enough for shares
			s.add(at+time.Duration(j)*time.Second, log{
				"level": "INFO", "service": "cart: \"a'#", "host": "web-1", "source_ip": "10.0.0.1",
				"duration_ms": 100, "http": log{"status": 200}, "message": "GET",
				"exception": log{"class": "Known"},
			})
		}
	}
	for i, k := range library {
		l := log{"service": "cart: \"a'#", "host": "web-1", "source_ip": "10.0.0.1"}
		maps.Copy(l, k.log)
		s.add(time.Duration(i)*time.Minute, l)
	}
	list := s.Proposals()
	if len(list) != len(library) {
		t.Errorf("%d of %d rules are proposed: %v", len(list), len(library), s.conditions())
	}
	rules, err := RuleFile("Head\nwith: lines", list, func(p Proposal) string {
		return "seen\nin: " + p.Alert
	})
	if err != nil {
		t.Fatal(err)
	}
	script, err := TestScript("first.rules.yml", list)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"first.rules.yml": rules, "first_test.yml": script} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := rule.Load(filepath.Join(dir, "first.rules.yml"))
	if err != nil {
		t.Fatalf("%v\n%s", err, rules)
	}
	for _, f := range rule.Lint(set) {
		t.Errorf("%s: %s: %s", f.Rule, f.Name, f.Text)
	}
	read, err := ruletest.ReadScript(filepath.Join(dir, "first_test.yml"))
	if err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	for _, r := range read.Run(ruletest.EngineFactory(set), ruletest.Options{Shuffle: 3, Seed: 1}) {
		if len(r.Failures) > 0 {
			t.Errorf("%s: %v", r.Name, r.Failures)
		}
	}
	if t.Failed() {
		t.Logf("%s\n%s", rules, script)
	}
}

// Rules that a client was shown one by one are the same rule file when they are joined. What is not
// a rule is refused.
func TestJoinRules(t *testing.T) {
	s := newSample(t)
	s.every(10*time.Second, 0, time.Hour, log{"level": "ERROR", "service": "pay", "message": "m"})
	proposals := s.Proposals()
	var texts []string
	for _, p := range proposals {
		text, err := RuleText(p)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	want, err := RuleFile("", proposals, func(Proposal) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	got, err := JoinRules(texts)
	if err != nil || len(texts) == 0 || string(got) != string(want) {
		t.Errorf("%v\n%s\nis not\n%s", err, got, want)
	}
	for _, text := range []string{"", "- a", "x", "a: [", "--- 1"} {
		if _, err := JoinRules([]string{text}); err == nil {
			t.Errorf("%q is a rule", text)
		}
	}
}
