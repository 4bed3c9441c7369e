package app

import (
	"bytes"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// The README shows what the demo prints: how it introduces itself, and alerts of rules that it
// ships with, at the places where they stand.
func TestReadmeShowsTheDemo(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultDemoOptions()
	var out bytes.Buffer
	o.describe(Terminal{Out: &out}, o.Broker, "http://"+o.Listen)
	for line := range strings.Lines(out.String()) {
		if !bytes.Contains(text, []byte("    "+line)) && strings.TrimSpace(line) != "" {
			t.Errorf("README.md does not show %q", line)
		}
	}
	set, err := rule.Read("shop.rules.yml", shopRules)
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]int{}
	for _, r := range set.Rules {
		places[r.Name] = r.Pos.Line
	}
	shown := regexp.MustCompile(`(?s)FIRING +\w+  (\w+)  .*?shop\.rules\.yml:(\d+)\)`).
		FindAllSubmatch(text, -1)
	if len(shown) == 0 {
		t.Error("README.md shows no alert")
	}
	for _, m := range shown {
		if line, ok := places[string(m[1])]; !ok || string(m[2]) != strconv.Itoa(line) {
			t.Errorf("README.md shows the rule %s in line %s; it is in line %d", m[1], m[2], line)
		}
	}
}
