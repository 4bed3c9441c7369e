package rule

import (
	"strings"
	"testing"
)

// "Which rules would be wrong if two instances shared the topic?"
func TestSpread(t *testing.T) {
	set, err := Read("spread.rules.yml", []byte(`
version: 1
suppressions:
- {name: deploy, start: 'event:deploy_start', end: 'event:deploy_end', by: [cluster], max: 30m}
lists: {hosts: [a, b]}
groups:
- name: g
  rules:
  - {alert: ByKey, match: level>=ERROR, when: count() > 1, by: [service, pod]}
  - {alert: ByAlias, match: level>=ERROR, when: count() > 1, by: [service.name]}
  - {alert: Coarser, match: level>=ERROR, when: count() > 1, by: [namespace]}
  - {alert: Either, match: level>=ERROR, when: count() > 1, by: ['service=service|app']}
  - {alert: All, match: level>=ERROR, when: count() > 1}
  - {alert: Firing, match: level>=ERROR, when: count() > 1 and firing(All), by: [service]}
  - {alert: Muted, match: level>=ERROR, when: count() > 1, by: [service], suppressed_by: [deploy]}
  - {alert: Expected, when: count() == 0, window: 5m, by: [service], expect: {from: '@hosts'}}
  - {alert: Off, match: level>=ERROR, when: count() > 1, mode: off}
`))
	if err != nil {
		t.Fatal(err)
	}
	f := func(key []string, want string) {
		t.Helper()
		var names []string
		for _, r := range set.Spread(key) {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("key %v: spread are %q, want %q", key, got, want)
		}
	}
	f(nil, "ByKey ByAlias Coarser Either All Firing Muted Expected")
	f([]string{"service"}, "Coarser Either All Firing Muted Expected")
	f([]string{"service.name", "pod"}, "ByAlias Coarser Either All Firing Muted Expected")
}
