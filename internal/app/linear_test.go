package app

import (
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
)

// The configuration is read, and files are formatted, in time in proportion to them.
func TestConfigTakesLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	const n = linear.N
	var shapes []linear.Shape
	add := func(prefix, suffix string, parts ...string) {
		shapes = append(shapes, linear.Shapes([]string{prefix}, parts, suffix)...)
	}
	add("kafka: {topics: [", "]}\n", "t"+n+", ", "t, ", "${A}, ", "[")
	add("kafka: {brokers: [", "]}\n", "b"+n+":9092, ", "b:9092, ")
	add("kafka: {topic_patterns: [", "]}\n", "'a"+n+".*', ", "'(', ")
	add("kafka: {sasl: {password: '", "'}}\n", "${A}", "${", "$", "a")
	add("rules: [", "]\n", "a"+n+".rules.yml, ", "'*', ")
	add("formats:\n", "", "- {topic: t"+n+", format: json}\n", "- {topic: t, format: json}\n", "- {}\n",
		"- {topic: t"+n+", join: {presets: [java]}}\n", "- {topic: t"+n+", fields: {time: a"+n+"}}\n")
	add("formats:\n- topic: t\n  fields: {", "}\n", "a"+n+": b, ", "a: b, ")
	add("lists:\n", "", "  l"+n+": {topic: t"+n+"}\n", "  l: {topic: t}\n")
	add("notify:\n  lookups:\n", "", "  - {topic: t"+n+", key: a}\n", "  - {}\n")
	add("web: {hosts: [", "]}\n", "a"+n+".example, ", "a, ")
	add("", "", "a: b\n", "[", "{", "- ", "&a [", "*a, ", "? ", "| ", "# x\n", "---\n", `"`, "'", "\t",
		"a: &a"+n+" b\n", "<<: *a\n", "a"+n+": b\n", "log: {level: info}\n", "kafka:\n", "  ", "\\", ": ",
		"a:\n- b # c\n", "# x\n\n", "a: |\n  b\n", "a: >\n  b\n\n", "- - a\n", "{a: b, c: [d]}\n")
	none := func(string) string { return "" }
	law := linear.Law{Size: 48 << 10, Enough: 75 * time.Millisecond}
	law.Check(t, "configuration", shapes, func(text string) {
		c := DefaultConfig()
		if readConfig("a.yml", []byte(text), none, &c) == nil {
			if err := c.Validate(); err != nil {
				_ = err.Error()
			}
		}
	})
	law.Check(t, "formatting", shapes, func(text string) {
		if out, err := FormatYAML([]byte(text)); err == nil {
			Formatted("a.rules.yml", out)
		}
	})
	t.Logf("%d shapes", 2*len(shapes))
}
