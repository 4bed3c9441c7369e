package notify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A table adds labels before alerts are routed, and annotations; what the rule says counts more.
// The end of the alert has the labels of its beginning.
func TestLookup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "owners.csv")
	table := "g,team,severity,runbook_url\na,payments,page,https://runbooks.example.com/a\nb,search,,\n"
	if err := os.WriteFile(file, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook", "payments")
		o := Options{
			AlertmanagerConfig: configFile(t, `
route:
  receiver: hook
  routes: [{matchers: ['team="payments"'], receiver: payments}]
receivers:
- {name: hook, webhook_configs: [{url: http://hook/x}]}
- {name: payments, webhook_configs: [{url: http://payments/x}]}
`),
			Lookups: []Lookup{
				{File: file, By: []string{"g"}, Annotations: []string{"runbook_url"}},
			},
		}
		l := start(t, w, o)
		a, b, c := firingAlert(
			"Errors",
			"a",
			1,
		), firingAlert(
			"Errors",
			"b",
			1,
		), firingAlert(
			"Errors",
			"c",
			1,
		)
		b.Labels["team"] = "payments"
		l.outbox.add(a, c)
		after(time.Second)
		text := string(w.sites["payments"].last())
		for _, want := range []string{
			`"severity":"page"`, `"runbook_url":"https://runbooks.example.com/a"`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the message has no %s: %s", want, text)
			}
		}
		expect(t, "the team", w.sites["payments"].received(), "firing Errors a")
		expect(t, "the others", w.sites["hook"].received(), "firing Errors c")
		l.outbox.add(b)
		after(2 * time.Minute)
		expect(
			t,
			"the team of the rule",
			w.sites["payments"].received(),
			"firing Errors b, firing Errors a",
		)
		l.outbox.add(over(a))
		after(2 * time.Minute)
		expect(t, "the team", w.sites["payments"].received(), "firing Errors b, resolved Errors a")
	})
}

// What is wrong with a table is said with its place.
func TestLookupMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "owners.csv")
	for table, want := range map[string]string{
		"service,team\n":       `owners.csv:1: there is no column "g"`,
		"g,team\na,x\na,y\n":   "owners.csv:3: a row above has the same g",
		"g,team\na\n":          "wrong number of fields",
		"":                     "a lookup has a line of names",
		"g,team\n\"a,x\nb,y\n": "owners.csv",
	} {
		if err := os.WriteFile(file, []byte(table), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := newLookups([]Lookup{{File: file, By: []string{"g"}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", table, err)
		}
	}
}
