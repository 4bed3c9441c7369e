package ruler

import (
	"fmt"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/imports"
)

func TestRulesAreFoundInWhateverTheyAreWrapped(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"a file": {
			"groups:\n- name: g\n  interval: 30s\n  rules:\n  - alert: A\n    expr: e\n    " +
				"for: 5m\n", "g/A:5 e 5m 30s;",
		},
		"an object of Kubernetes": {
			"kind: PrometheusRule\nspec:\n  groups:\n  - name: g\n    rules:\n    - record: R\n  " +
				"    expr: e\n", "g/R:6 e  ;",
		},
		"a text in a ConfigMap": {
			"kind: ConfigMap\ndata:\n  a.yml: |\n    groups:\n    - name: g\n      rules:\n      " +
				"- alert: A\n        expr: e\n", "g/A:7 e  ;",
		},
		"a rule alone": {"alert: A\nexpr: e\n", "rules/A:1 e  ;"},
		"groups of namespaces": {
			"ns:\n- name: g\n  rules:\n  - {alert: A, expr: e}\n", "g/A:4 e  ;",
		},
		"an answer of the API": {
			`{"data":{"groups":[{"name":"g","rules":[{"type":"alerting","name":"A","query":"e",` +
				`"duration":300}]}]}}`, "g/A:1 e 300s ;",
		},
		"values of Helm": {
			"loki:\n  ruler:\n    directories:\n      tenant:\n        rules.txt: |\n          " +
				"groups:\n          - name: g\n            rules:\n            - alert: A\n      " +
				"        expr: e\n", "g/A:9 e  ;",
		},
		"nothing": {"a: [1, {b: c}]", ""},
	} {
		documents, err := imports.Read(imports.File{Data: []byte(c.file)})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range Rules("f", documents) {
			got += fmt.Sprintf(
				"%s/%s:%d %s %s %s;",
				r.Group,
				r.Name,
				r.Line,
				r.Expr,
				r.For,
				r.Interval,
			)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	for expr, want := range map[string]bool{
		`up == 0`: true, `sum(rate(a{b="c"}[5m])) > 1`: true,
		`sum by (x) (rate({a="b"}[5m]))`:                false,
		`absent({__name__="up"})`:                       true,
		`sum(count_over_time({a="b{"} |= "x [5m])) > 1`: false,
	} {
		if got := IsMetric(expr); got != want {
			t.Errorf("%s: %t", expr, got)
		}
	}
}
