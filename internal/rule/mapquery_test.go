package rule

import "testing"

// A map and a list of them are other spellings of a query: all fields of a map must hold, and one
// member of a list.
func TestMapsAndLists(t *testing.T) {
	f := func(match, query string) {
		t.Helper()
		set, err := Read(
			"a.yml",
			[]byte("groups: [{name: g, rules: [{alert: A, match: "+match+"}]}] # a comment"),
		)
		if err != nil {
			t.Errorf("%s: %s", match, err)
			return
		}
		want, err := ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(set.Rules[0].Match); got != show(want) {
			t.Errorf("%s\ngot  %s\nwant %s", match, got, show(want))
		}
	}
	f("{service: pay, level: [ERROR, FATAL]}", "service:pay level:(ERROR or FATAL)")
	f(
		"[{service: pay, path|startswith: /a}, {service: cart}]",
		"(service:pay path:/a*) or service:cart",
	)
	f("[{service: [pay, cart]}]", "service:pay or service:cart")
	f("[connection refused, time*out, x]", `*:"connection refused" or *:time*out or *:x`)
	f("['a:b', '@x', '1..2']", `*:"a:b" or *:"@x" or *:"1..2"`)
	f("[{service: pay}, timeout]", "service:pay or *:timeout")
	f("{'|all': [disk, full]}", "*:disk *:full")
	f("{'': [disk, full], service: pay}", "(*:disk or *:full) service:pay")
}
