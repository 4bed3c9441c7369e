package docs

import (
	"regexp"
	"strings"
	"testing"
)

var metricUse = regexp.MustCompile(`alert_engine_[a-z0-9_]+`)

// What watches the engine asks for metrics that it has.
func TestMonitoringKnowsTheMetrics(t *testing.T) {
	known := metrics(t)
	for _, file := range []string{"../monitoring/alerts.yaml", "../monitoring/dashboard.json"} {
		uses := metricUse.FindAllString(read(t, file), -1)
		if len(uses) < 10 {
			t.Errorf("%s uses only %d metrics", file, len(uses))
		}
		for _, name := range uses {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, ok := strings.CutSuffix(name, suffix); ok && known[base].help != "" {
					name = base
				}
			}
			if known[name].help == "" {
				t.Errorf("%s uses %s, and there is no such metric", file, name)
			}
		}
	}
}

// Each alert on the engine has a runbook.
func TestMonitoringHasRunbooks(t *testing.T) {
	known := anchors(read(t, "howto/operate.md"))
	links := regexp.MustCompile(`operate\.md#(\S+)`).
		FindAllStringSubmatch(read(t, "../monitoring/alerts.yaml"), -1)
	alerts := strings.Count(read(t, "../monitoring/alerts.yaml"), "- alert:")
	if len(links) != alerts || alerts == 0 {
		t.Errorf("%d alerts have %d runbooks", alerts, len(links))
	}
	for _, m := range links {
		if !known[m[1]] {
			t.Errorf("there is no runbook #%s", m[1])
		}
	}
}
