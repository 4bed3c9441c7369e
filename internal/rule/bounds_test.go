package rule

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A list of rules is recognized by its first one, be it an alert or a record.
func TestListOfRecordsIsNamed(t *testing.T) {
	_, err := Read("a.yml", []byte("- record: r\n  when: count()\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "a.yml:1:1: this is a list of rules") {
		t.Error(err)
	}
}

// Of several conditions of a detection one must hold, and each mistake in them is named.
func TestConditionsOfDetection(t *testing.T) {
	text := "groups: [{name: g, rules: [{alert: A, match: " +
		"{a: {x: 1}, b: {y: 2}, condition: [a, b]}}]}]\n"
	set, err := Read("a.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := show(set.Rules[0].Match); got != "or(x = 1, y = 2)" {
		t.Error(got)
	}
	_, err = Read("a.yml", []byte(strings.Replace(text, "[a, b]", "[a, c]", 1)))
	if err == nil || !strings.Contains(err.Error(), "c") {
		t.Error(err)
	}
}

// A condition may be as long as the bound, and not longer.
func TestLongestCondition(t *testing.T) {
	text := "count() > 1"
	text += strings.Repeat(" ", maxCondition-len(text))
	if _, err := ParseCondition(text); err != nil {
		t.Error(err)
	}
	if _, err := ParseCondition(text + " "); err == nil {
		t.Error("a longer one is accepted")
	}
}

// Quotes and regular expressions in the filter of a function may hold its delimiters.
func TestDelimitersWithinFilters(t *testing.T) {
	for text, want := range map[string]string{
		`distinct(u, message:"a, b)") > 0`:  "message ~ a, b)",
		`distinct(u, message:/a, b\)/) > 0`: `message re a, b\)`,
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Error(text, err)
			continue
		}
		if got := show(c.(*Binary).Left.(*Call).Filter); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// A level between two others is the lower one of them.
func TestRangeOfLevel(t *testing.T) {
	if low, high, ok := levelRange("WARN2"); !ok || low != 13 || high != 16 {
		t.Error(low, high, ok)
	}
}

// Days of the month are those of the zone, and negative ones count from the last.
func TestDaysFromTheEndOfMonth(t *testing.T) {
	set, err := Read("a.yml", []byte(`
time_intervals:
- {name: last, time_intervals: [{days_of_month: ['-2:-1'], location: Europe/Berlin}]}
groups: [{name: g, rules: [{alert: A, active: [last]}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"2026-03-29T21:59:59Z": false,
		"2026-03-29T22:00:00Z": true,
		"2026-03-31T21:59:59Z": true,
		"2026-03-31T22:00:00Z": false,
		"2026-10-29T22:59:59Z": false,
		"2026-10-29T23:00:00Z": true,
		"2026-10-31T22:59:59Z": true,
		"2026-10-31T23:00:00Z": false,
		"2028-02-27T23:00:00Z": true,
	} {
		at, _ := time.Parse(time.RFC3339, text)
		if got := set.Intervals["last"].Contains(at); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// A file of a list may have 4 MiB, and not more.
func TestLargestListFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.rules.yml", "lists: {a: {file: big.txt}}\n"+
		"groups: [{name: g, rules: [{alert: A, match: 'u:@a'}]}]\n")
	big := filepath.Join(dir, "big.txt")
	text := strings.Repeat("#", maxFile-2) + "\nx"
	if err := os.WriteFile(big, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(big, []byte(text+"y"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "larger than 4 MiB") {
		t.Error(err)
	}
}

// The place of a mistake about words is that of the value.
func TestPlaceOfValueWithoutWords(t *testing.T) {
	_, err := ParseQuery(`a field~"--"`)
	var e *syntaxError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "has no word") {
		t.Fatal(err)
	}
	q, err := ParseQuery(`a field~error`)
	if err != nil {
		t.Fatal(err)
	}
	if leaf := q.(*And).Of[1].(*Leaf); leaf.Pos.Column != 3 {
		t.Error(leaf.Pos)
	}
}
