package docs

import (
	"regexp"
	"strings"
	"testing"
)

var metricUse = regexp.MustCompile(`alert_engine_[a-z0-9_]+`)

// What watches the engine asks for metrics that it has.
func TestMonitoringKnowsTheMetrics(t *testing.T) {
	for _, file := range []string{"../monitoring/alerts.yaml", "../monitoring/dashboard.json"} {
		uses := metricUse.FindAllString(read(t, file), -1)
		if len(uses) < 10 {
			t.Errorf("%s uses only %d metrics", file, len(uses))
		}
		knowMetrics(t, file, uses)
	}
}

// The metrics that pages name are in the reference. The changelog also names former ones.
func TestPagesKnowTheMetrics(t *testing.T) {
	for _, page := range files(t, ".md") {
		if page != "../CHANGELOG.md" {
			knowMetrics(t, page, metricUse.FindAllString(read(t, page), -1))
		}
	}
}

// knowMetrics checks that metrics that a file names are in the reference. A name may be the
// beginning of several, such as alert_engine_cluster_*.
func knowMetrics(t *testing.T, file string, names []string) {
	t.Helper()
	reference := read(t, "reference/metrics.md")
	for _, name := range names {
		known := strings.Contains(reference, "`"+name+"`") ||
			strings.HasSuffix(name, "_") && strings.Contains(reference, "`"+name)
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok {
				known = known || strings.Contains(reference, "`"+base+"`")
			}
		}
		if !known {
			t.Errorf("%s names %s, and there is no such metric", file, name)
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
