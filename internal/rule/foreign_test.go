package rule

import (
	"strings"
	"testing"
)

func TestRulesOfOtherSystemsAreNamed(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Read("a.yml", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "a.yml:"+want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\nhas further mistakes:\n%s", text, err)
		}
	}
	f("title: T\nlogsource: {product: windows}\ndetection: {a: {x: 1}, condition: a}\n",
		"1:1: this is a Sigma rule; name its directory under sigma: in alert-engine.yml to have "+
			"it read as it is, or alert-engine import sigma FILE translates it")
	f("name: n\ntype: any\nindex: logs-*\nfilter: []\nalert: [slack]\n",
		"1:1: this is an ElastAlert rule; alert-engine import elastalert FILE translates it")
	f("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: rate({a=\"b\"}[5m]) > 1\n",
		"5:11: this is a Prometheus, Loki or vmalert rule: it has expr")
	f("apiVersion: v1\nkind: PrometheusRule\nspec: {}\n", "1:1: this is a Kubernetes object")
	f("- alert: A\n  match: x\n", "1:1: this is a list of rules")
	f("alert: A\nmatch: x\n", "1:1: this is a rule alone")
	f("", " file is empty; a rule file is like: ")
}

func TestCommonSlipsGetAnExample(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Read("a.yml", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
	f("groups:\n- name: g\n  rules:\n  - {alert: A, match: x, by: service}\n",
		"a.yml:4:30: a list is expected here; write [service]")
	f("groups:\n- name: g\n\trules: []\n", "a.yml:3:1: a tab indents this line; "+
		"YAML is indented with spaces, for example two for each level")
	f("version: 2\n", `a.yml:1:10: unknown version "2"; write version: 1`)
}
