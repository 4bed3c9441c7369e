package rule

import (
	"strings"
	"testing"
)

// Each way in which YAML takes a query apart, silently or not, is named at its place.
func TestUnquotedQueries(t *testing.T) {
	const quote = "; wrap the whole query in single quotes"
	f := func(rule, want string) {
		t.Helper()
		_, err := Read(
			"a.yml",
			[]byte("groups:\n- name: g\n  rules:\n  - alert: A\n    "+rule+"\n    window: 5m\n"),
		)
		if err == nil {
			t.Errorf("%s\nis accepted, want %s", rule, want)
		} else if err.Error() != want {
			t.Errorf("%s\ngot  %s\nwant %s", rule, err, want)
		}
	}
	const unread = "a.yml:5:12: YAML does not read this as a text" + quote
	f(`match: "a" or "b"`, unread)
	f(`match: 'a' or 'b'`, unread)
	f(`match: @x`, unread)
	f(`match: %x`, unread)
	f("match: `x`", unread)
	f(`match: *foo`, unread)
	f(
		`match: >= 5`,
		"a.yml:5:12: YAML does not read this as a text"+quote+
			"\na.yml:5:13: a field is missing before the operator",
	)
	f(
		`match: service: x`,
		"a.yml:5:12: YAML does not read this as a text"+quote+"\na.yml:5:21: a value for service "+
			"is missing; write service:* for any value, with no space after the operator",
	)
	f(`match: - foo`, unread)
	f(`match: "a`, unread+"\n"+`a.yml:5:13: '"' is never closed`)
	f(
		`when: > 5`,
		"a.yml:5:11: YAML does not read this as a text"+quote+"\n"+`a.yml:5:12: a number is `+
			`missing here; write one, such as 10, or a function, such as count()`,
	)
	f(`when: count() => 5`, `a.yml:5:19: unexpected "=> 5"; write >=`)
	f(`when: count() = 5`, `a.yml:5:19: unexpected "= 5"; write ==`)
	f(
		`match: foo #bar`,
		`a.yml:5:12: YAML takes "#bar" for a comment`+quote+", or put the comment on its own line",
	)
	f(
		`match: !x`,
		`a.yml:5:12: YAML takes "!x" for a tag; if this is a query, wrap the whole query in `+
			`single quotes`,
	)
	f(
		`match: &x y`,
		`a.yml:5:12: YAML takes "&x" for an anchor; if this is a query, wrap the whole query in `+
			`single quotes`,
	)
	f(
		`match: {service:payment level:error}`,
		"a.yml:5:13: YAML takes the braces for a mapping, and this text for its key"+quote,
	)
	f(
		`match: [a, [b]]`,
		"a.yml:5:16: a list of lists is not a query; write texts, and maps of fields, one below "+
			"the other",
	)
	f(
		"match:\n    - foo #bar",
		`a.yml:6:7: YAML takes "#bar" for a comment`+quote+", or put the comment on its own line",
	)
	f(
		`match: [a, !x , b]`,
		`a.yml:5:16: YAML takes "!x" for a tag; if this is a query, wrap the whole query in `+
			`single quotes`,
	)
	f(`match: []`, "a.yml:5:12: match is empty; leave the key out to match every log")
	f(`match: ['']`, "a.yml:5:13: the text is empty; write a text that must occur")
	f(
		`match: [{took|gt: fast}, {user|contians: a}]`,
		`a.yml:5:23: "fast" is not a number; numbers are like 5, 250ms, 5MB or 5%`+"\n"+
			`a.yml:5:31: unknown modifier "contians"; did you mean "contains"?`,
	)
	f(`match:`, "a.yml:5:11: the text is empty; leave the key out to match every log")
	f(`when:`, "a.yml:5:10: the text is empty; write a condition, such as count() > 10")
	f(
		`by: [!x , b]`,
		`a.yml:5:10: YAML takes "!x" for a tag; if this is a query, wrap the whole query in `+
			`single quotes`,
	)
}

// A file that YAML cannot read tells of its other mistakes as well.
func TestMistakesBesideUnquotedQueries(t *testing.T) {
	_, err := Read(
		"a.yml",
		[]byte(
			"groups:\n- name: g\n  rules:\n  - alert: A\n    match: @x\n    window: 5x\n  - "+
				"alert: B\n    match: \"a\" b\n    whem: 1\n",
		),
	)
	var lines []string
	for line := range strings.Lines(err.Error()) {
		place, _, _ := strings.Cut(line, ": ")
		lines = append(lines, place)
	}
	if got := strings.Join(lines, " "); got != "a.yml:5:12 a.yml:6:13 a.yml:8:12 a.yml:9:5" {
		t.Errorf("mistakes at %s:\n%s", got, err)
	}
}

// Braces split at commas, and what they leave is named.
func TestQueriesInBraces(t *testing.T) {
	_, err := Read(
		"a.yml",
		[]byte("groups:\n- name: g\n  rules:\n  - {alert: A, when: p99(a, b) > 5}\n"),
	)
	if err == nil || !strings.Contains(err.Error(), "wrap the whole query in single quotes") {
		t.Errorf("got %v", err)
	}
	_, err = Read("a.yml", []byte("groups: [{name: g, rules: [{alert: A, when: 'p99(a) > 5'}"))
	if err == nil ||
		!strings.HasPrefix(err.Error(), "a.yml:1:1: did not find expected ',' or ']'") {
		t.Errorf("got %v", err)
	}
}

// Texts that YAML reads as they are written are left alone.
func TestQuotedQueries(t *testing.T) {
	f := func(rule string) {
		t.Helper()
		if _, err := Read("a.yml", []byte("groups:\n- name: g\n  rules:\n  - alert: A\n    "+rule+
			"\n    window: 5m\n")); err != nil {
			t.Errorf("%s: %s", rule, err)
		}
	}
	f(`match: '"a" or "b"' # both`)
	f(`match: "a b" # c`)
	f("match: | # block\n      service:x\n      # this is a word of the query\n")
	f("match: level>=ERROR service:x\n    # a comment of its own")
	f(`match: -a`)
	f("match: service:x\n      level:error")
}
