package rule

import (
	"strings"
	"testing"
)

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

// A value that modifiers rewrite stands for a bounded number of bytes, and so do all values of a
// file: a small file may not take gigabytes.
func TestRewritingIsBounded(t *testing.T) {
	f := func(lists, match, want string) {
		t.Helper()
		_, err := Read("a.yml", []byte("version: 1\n"+lists+
			"groups: [{name: g, rules: [{alert: A, match: "+match+"}]}]\n"))
		switch {
		case err == nil && want != "":
			t.Errorf("%.80s is read", match)
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%.80s: %.300v", match, err)
		case err != nil && len(err.Error()) > 2000:
			t.Errorf("%.80s: an error of %d bytes", match, len(err.Error()))
		}
	}
	members := strings.Repeat("x, ", 3000)
	list := "lists: {l: [" + members + "]}\n"
	long := strings.Repeat("a", 1<<16)
	f("", "{'f|wide|base64offset|contains': abc}", "")
	f("", "{'f"+strings.Repeat("|base64", 60)+"': abcdefgh}", "more than 4194304 bytes together")
	f("", "{'f"+strings.Repeat("|wide", 40)+"': abcdefgh}", "more than 4194304 bytes together")
	f(list, "{'f|expand': 'a%l%b'}", "")
	f(list, "{'f|expand': 'a%l%"+long+"'}", "more than 4194304 bytes together")
	f(list, "{'f|expand': '"+long+"%l%'}", "more than 4194304 bytes together")
	f(list, "{'f|expand': '%l%%l%'}", "has more than")
	f(list, "{'f|expand': ["+strings.Repeat("'%l%', ", 20)+"]}", "")
	f(list, "{'f|expand': ["+strings.Repeat("'%l%', ", 500)+"]}", "too many texts together")
}

// An aggregation of the old syntax is refused with the correlation that says it.
func TestAggregationsNameTheirCorrelation(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := correlationHint(text); !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
	f(" count() by user > 5", "{type: event_count, rules: [that name], group-by: [user], timespan: "+
		"the timeframe, condition: {gt: 5}}")
	f("count(host) >= 3", "{type: value_count, rules: [that name], timespan: the timeframe, "+
		"condition: {gte: 3, field: host}}")
	f("sum(bytes) by src == 9", "type: value_sum, rules: [that name], group-by: [src], timespan: "+
		"the timeframe, condition: {eq: 9, field: bytes}}")
	f("near b within 5m", "of type temporal")
	f("max(x) > 3", "of type event_count or value_count")
	f("count(", "of type event_count or value_count")
}
