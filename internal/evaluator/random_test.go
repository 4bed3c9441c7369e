package evaluator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A scenario is rules, and logs with the order in which they arrive.
type scenario struct {
	example string              // the rule file of an example, instead of what follows
	file    []string            // keys of the rule file, as YAML
	rules   []map[string]string // each key as YAML
	about   []map[string]string // rules about alerts
	logs    []arrival

	begins     time.Time // a Monday by default
	partitions int
	restart    int // after how many logs the engine is restored, in turn; six when 0

	read *string // the rule file, once it was written
}

// arrival is a log with the time at which it arrives.
type arrival struct {
	at, delay time.Duration // of the log after the start, and how much later it arrives
	topic     string        // "logs" when empty
	partition int32
	fields    map[string]any
}

// place is where the log is read.
func (a *arrival) place() models.Partition {
	return models.Partition{Topic: cmp.Or(a.topic, "logs"), Partition: a.partition}
}

// start is when the scenario begins.
func (s scenario) start() time.Time {
	if s.begins.IsZero() {
		return time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	}
	return s.begins
}

// fixed is the scenario with its rule file written, which is asked for often.
func (s scenario) fixed() scenario {
	s.read = nil
	text := s.text()
	s.read = &text
	return s
}

// text is the rule file.
func (s scenario) text() string {
	switch {
	case s.read != nil:
		return *s.read
	case s.example != "":
		return s.example
	}
	var b strings.Builder
	b.WriteString("version: 1\n")
	for _, f := range s.file {
		b.WriteString(f + "\n")
	}
	b.WriteString("groups:\n- name: g\n  rules:\n")
	write := func(rules []map[string]string) {
		for _, r := range rules {
			var keys []string
			for k := range r {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			var parts []string
			for _, k := range keys {
				parts = append(parts, k+": "+r[k])
			}
			b.WriteString("  - {" + strings.Join(parts, ", ") + "}\n")
		}
	}
	write(s.rules)
	if len(s.about) > 0 {
		b.WriteString("- name: about\n  source: alerts\n  rules:\n")
		write(s.about)
	}
	return b.String()
}

// record is the record of the log in a place.
func (s scenario) record(i int) models.Record {
	a := s.logs[i]
	m := map[string]any{"timestamp": s.start().Add(a.at).Format(time.RFC3339Nano)}
	for k, v := range a.fields {
		m[k] = v
	}
	data, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return models.Record{
		Topic: a.place().Topic, Partition: a.partition, Timestamp: s.start().Add(a.at), Value: data,
	}
}

func (s scenario) String() string {
	var b strings.Builder
	b.WriteString(s.text())
	for i, a := range s.logs {
		fmt.Fprintf(&b, "%s", s.record(i).Value)
		if a.delay > 0 || a.partition > 0 || a.topic != "" {
			fmt.Fprintf(&b, " (%v, %v later)", a.place(), a.delay)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// late reports whether a log comes later than the lateness.
func (s scenario) late() bool {
	least := s.lateness()
	return slices.ContainsFunc(s.logs, func(a arrival) bool { return a.delay > least })
}

// draw makes scenarios.
type draw struct {
	*rand.Rand
	more bool // queries and numbers of more kinds
}

func (d draw) of(list ...string) string { return list[d.IntN(len(list))] }
func (d draw) in(of int) bool           { return d.IntN(of) == 0 }

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// query is a random query; half of the logs or so satisfy it.
func (d draw) query() string {
	leaf := func() string {
		if d.more && d.in(2) {
			return d.of(
				"x>85%", "x:1005ms", "x>=1m30s", "x<5k", "x:1..5k", "x>0.7%", "x<=2s", "x:0.1",
				"x>512KiB", "x>=1.005s", "not x:*", "ip:10.0.0.0/8", "ip:2001:db8::/32",
				"ip:10.1.2.3", "ip:@nets", "u:@M", "not u:@M", "u:=@M", "message~refused",
				`message~"order 17"`, "message~card", `"card refused"`, `u:u\?`, "u:u*", "u:*1",
				"(u:u1 or ip:*)", "h:(a or b)", "h:(a b)", "level:warn", "level<ERROR", "ev:=A",
				"*:a", "*:u1", "*~refused", "*:/^[bc]$/", "*>100", "*:refused", "not *:b",
				"x:(1 or 2)", `h:"a"`, "not (h:a or ev:b)", "message:/refused$/", "ev:/B/i",
			)
		}
		return d.of(
			`ev:a`, `ev:b`, `ev:c`, `ev:d`, `ev:(a or b)`, `level>=ERROR`, `level>=WARN`, `x>2`,
			`x<=2.5`, `x:1..5`, `u:u1`, `u:*`, `message:refused`, `refused`, `message:*`,
			`h:=a`, `ev:/^[ab]/`, `t:p`, `t:*`, `y>250ms`, `y<=0`, `t:1..5`, `ev:?`, `h:""`,
		)
	}
	switch d.IntN(6) {
	case 0:
		return "not " + leaf()
	case 1:
		return leaf() + " " + leaf()
	case 2:
		return "(" + leaf() + " or " + leaf() + ")"
	}
	return leaf()
}

// mapQuery is a random query that is written as a map, or as a list.
func (d draw) mapQuery() string {
	return d.of(
		"{ev: [a, b], message|contains: refused}", "{u|endswith: '1'}", "{u|startswith: U}",
		"{message|contains|all: [order, failed]}", "{ev|re: '^[ab]$'}", "{x|lte: 2.5}",
		"{x|gt: 2, h: [a, b]}", "{ev|cased: A}", "{ev|exists: true}", "{u|exists: false}",
		"{h|fieldref: k}", "[refused, '17']", "{'|all': [order, a]}", "[{ev: a}, {h: b, x|gte: 3}]",
		"{ip|cidr: 10.0.0.0/8}", "{u: ['u?', x]}", "{message: 'order*'}", "{ev: null}",
		"{sel: {ev: [a, b]}, filter_x: {h: c}, condition: sel and not 1 of filter_*}",
		"{a: {ev: a}, b: {h: [a, b]}, c: {x|gt: 1}, condition: 2 of them}",
		"{a: {ev: a}, b: {h: [a, b]}, condition: all of them}", "{message|word: refused}",
		"{h|neq: a}", "{message|contains: ['17', CARD]}",
	)
}

func (d draw) duration() string {
	return d.of("5s", "10s", "20s", "30s", "1m", "90s", "2m", "5m")
}

func (d draw) operator() string { return d.of(">", ">=", "<", "<=", "==", "!=") }

// aggregate is a random number, and a constant that it may well reach.
func (d draw) aggregate() (call, constant string) {
	filter, second := "", ""
	if d.in(3) {
		filter = d.query()
		second = ", " + filter
	}
	field := d.of("x", "x", "x", "y", "y", "t")
	switch d.IntN(14) {
	case 0, 1, 2:
		return "count(" + filter + ")", d.of("0", "1", "2", "3", "4")
	case 3:
		return "rate(" + filter + ")", d.of("0", "0.05", "0.1")
	case 4:
		return "sum(" + field + second + ")", d.of("0", "5", "7.5", "10", "1kB")
	case 5:
		return "avg(" + field + second + ")", d.of("0", "2", "2.5", "3", "5%")
	case 6:
		return d.of("min", "max") + "(" + field + second + ")", d.of("0", "1", "2.5", "1kB", "2s")
	case 7:
		return "stddev(" + field + second + ")", d.of("0", "1", "2", "5%")
	case 8:
		return d.of(
				"p50",
				"p25",
				"p90",
				"p99.9",
				"p99",
				"p75",
				"p33.3",
				"p66.67",
				"p1",
			) + "(" + field + second + ")", d.of(
				"0",
				"2.5",
				"5",
			)
	case 9:
		return "distinct(" + d.of(
				"u",
				"ev",
				"x",
				"h",
				"t",
				"@template",
			) + second + ")", d.of(
				"0",
				"1",
				"2",
				"3",
			)
	case 10:
		return d.of("first", "last") + "(" + d.of("x", "y", "t") + ")", d.of("0", "2.5", "5")
	case 11:
		return "changed(" + d.of("ev", "u", "x", "t", "@template") + d.of(
				"",
				"",
				", within 5s",
				", within 1m",
			) + ")",
			d.of(
				"0",
				"1",
				"2",
			)
	case 12:
		return "count(" + filter + ") / count()", d.of("0", "50%", "33%", "0.25", "5%")
	}
	if d.more && d.in(4) {
		return d.of("quantile(x, 0.5", "quantile(x, 0.25", "quantile(y, 0.9", "quantile(t, 0.75",
			"quantile(x, 1", "quantile(y, 0") + second + ")", d.of("0", "2.4", "5.1")
	}
	if d.in(2) {
		return d.of("sum(x", "avg(x", "max(x", "min(x", "distinct(u", "p50(x", "stddev(x", "p90(t",
				"distinct(h") + second + ") offset " + d.of("10s", "30s", "1m", "2m"),
			d.of("0", "1", "2.5", "5")
	}
	if d.in(3) {
		return d.of("first(x)", "last(x)", "rate()", "last(t)") + " offset " + d.of("10s", "1m"),
			d.of("0", "0.1", "2.5")
	}
	return "count(" + filter + ") offset " + d.of("10s", "30s", "1m"), d.of("0", "1", "2")
}

// comparison is a random comparison.
func (d draw) comparison() string {
	switch d.IntN(12) {
	case 0, 1:
		return "since(" + d.query() + ") " + d.operator() + " " +
			d.of("500ms", "5s", "10s", "30s", "1m", "2m")
	case 2:
		call, _ := d.aggregate()
		other, _ := d.aggregate()
		return call + " " + d.operator() + " " + other
	case 3:
		call, constant := d.aggregate()
		other, _ := d.aggregate()
		return call + " " + d.of("+", "-", "*", "/") + " " + other + " " + d.operator() + " " + constant
	case 4:
		if d.in(2) {
			break
		}
		call, constant := d.aggregate()
		other, _ := d.aggregate()
		switch d.IntN(4) {
		case 0:
			return "(" + call + " - " + other + ") * 2 " + d.operator() + " " + constant
		case 1:
			return "100 * (" + call + ") / (" + other + " + 1) " + d.operator() + " 50"
		case 2:
			return constant + " " + d.operator() + " " + call
		}
		return "-" + call + " " + d.operator() + " -" + constant
	}
	call, constant := d.aggregate()
	if d.more && d.in(2) {
		constant = d.of("0.7%", "85", "1005", "1.005s", "90s", "5k", "26481", "0.1", "0.3", "33.3%",
			"2 * 0.1", "1000", "512", "2.9", "-3000")
	}
	return call + " " + d.operator() + " " + constant
}

func (d draw) condition() string {
	switch d.IntN(8) {
	case 0:
		return d.comparison() + " and " + d.comparison()
	case 1:
		return d.comparison() + " or " + d.comparison()
	case 2:
		return "not " + d.comparison()
	case 3:
		return "(" + d.comparison() + " or " + d.comparison() + ") and " + d.comparison()
	}
	return d.comparison()
}

// past is a random comparison with earlier days.
func (d draw) past() string {
	call, constant := d.of("count()", "count(ev:a)", "sum(x)", "max(x)", "distinct(u)"), "1"
	switch d.IntN(5) {
	case 0:
		return call + " > " + call + " offset " + d.of("1d", "2d", "26h")
	case 1:
		return call + " offset 1d " + d.operator() + " " + constant
	case 2:
		return call + " " + d.operator() + " 2 * baseline(" + call +
			d.of(", 1w", ", 5d", ", 2w", "") + ")"
	case 3:
		return "zscore(" + call + ", " + d.of("1w", "2w") + ") " + d.of(">", "<") + " " +
			d.of("0", "1", "-1")
	}
	return "not " + call + " offset 1d > " + constant
}

var aggregates = regexp.MustCompile(
	`\b(count|rate|sum|avg|min|max|stddev|p[0-9.]+|quantile|distinct|first|last)\([^()]*\)`)

// withWindows gives some aggregates of a condition windows of their own.
func (d draw) withWindows(condition, window string) string {
	whole, _ := time.ParseDuration(window)
	return aggregates.ReplaceAllStringFunc(condition, func(call string) string {
		own, _ := time.ParseDuration(d.of("3s", "5s", "10s", "30s"))
		if own > whole || d.in(2) {
			return call
		}
		return call + " over " + own.String()
	})
}

// rule is a random rule of a name.
func (d draw) rule(name string, others []string, f features) map[string]string {
	r := map[string]string{"alert": name, "window": d.duration()}
	if d.in(3) {
		r["match"] = quoted(d.query())
	}
	if d.in(2) {
		r["by"] = d.of("[h]", "[h]", "[h, u]", "['h=h|k']", "['w=u']", "['h=t|k']")
	}
	if d.more && d.in(2) {
		r["match"] = d.mapQuery()
	}
	switch {
	case f.sequences && d.in(2):
		if !d.in(4) {
			delete(r, "match")
		}
		d.sequence(r)
	case f.values && d.in(2):
		r["when"] = quoted(
			"new(" + d.of("u", "ev", "x", "h", "t", "@template", "u, ev", "ev, h, x", "t, ev") +
				d.of("", "", "", ", level>=WARN") + ") > " + d.of("0", "0", "1"),
		)
		if d.in(2) {
			r["learn"] = d.of("10s", "1m", "2m")
		}
		if d.in(2) {
			r["remember"] = d.longerThan(r["window"])
		}
	case f.firing && len(others) > 0 && d.in(2):
		c := d.of("", "not ") + "firing(" + d.of(others...) + ")"
		switch d.IntN(3) {
		case 0:
			c = d.comparison() + d.of(" and ", " or ") + c
		case 1:
			c += d.of(" and ", " or ") + d.comparison()
		}
		r["when"] = quoted(c)
	case d.in(6):
	case f.past:
		r["window"] = d.of("1h", "2h", "30m")
		r["when"] = quoted(d.past())
	default:
		r["when"] = quoted(d.condition())
		if d.more && d.in(2) {
			r["when"] = d.withWindows(r["when"], r["window"])
		}
	}
	if f.absence && d.in(2) && r["when"] != "" {
		if d.in(2) {
			r["remember"] = d.longerThan(r["window"])
		}
		if d.in(2) {
			r["by"], r["expect"] = "[h]", "{from: '@L'}"
		}
	}
	if r["remember"] != "" && r["when"] != "" && strings.Contains(r["when"], "since(") {
		r["when"] = quoted("since(" + d.query() + ") " + d.of(">", ">=") + " " + d.of("5s", "30s"))
	}
	if f.life {
		d.life(r)
	}
	if f.every && d.in(2) {
		r["every"] = d.of("1s", "5s", "10s", "30s")
		if r["window"] == "5s" || r["window"] == "10s" || r["window"] == "20s" {
			r["every"] = "5s"
		}
	}
	if f.hours && d.in(2) {
		var list []string
		for range 1 + d.IntN(2) {
			list = append(
				list,
				quoted(d.of("", "", "not ")+d.of("even", "first", "later", "berlin")),
			)
		}
		r["active"] = "[" + strings.Join(list, ", ") + "]"
	}
	if f.calendar {
		r["active"] = "[" + quoted(d.of("", "", "not ")+d.of("c0", "c1")) + "]"
	}
	if f.lateness && d.in(2) {
		r["lateness"] = d.of("0s", "2s", "15s", "25s")
	}
	if f.stream && d.in(2) && r["expect"] == "" {
		r["by"] = d.of("['stream.*']", "['stream.* without host']", "['stream.* without service,pod']")
	}
	if f.plain && d.in(2) {
		r["labels"] = d.of("{team: x, severity: page}", "{h: own}", "{w: own, team: '{{ .Labels.h }}'}",
			"{alertname: other, u: '1'}", "{service: own}")
		r["samples"], r["top"] = "{first: 2, last: 3, fields: [u]}", "[u, ev]"
		r["annotations"] = "{summary: '{{ .Value }} of {{ .Labels.h }}, {{ .Last.Message }} {{ .Top }}'}"
	}
	if f.matchers && d.in(2) && r["sequence"] == "" {
		r["match"] = "{sa: {ev: [a, c]}, sb: {u: [u1, u2]}, sc: {level: [WARN, ERROR]}, " +
			"condition: " + d.of("sa or sb", "sa or sb", "1 of s*", "sa or (sb and not sc)") + "}"
		r["by"] = d.of("[{w: {sa: h, sb: k}}]", "[{w: {sb: k, sa: h}}]", "[{w: {sa: u, sc: h}}, h]",
			"[{h: {sb: h, sa: k, sc: t}}]")
		delete(r, "expect")
	}
	if f.extract && d.in(2) {
		r["extract"] = d.of(
			"[{from: message, logfmt: [x, h, ev]}]",
			"[{from: message, logfmt: [x=took, h, ev=kind]}]",
			"[{from: message, pattern: 'order <x> <ev>'}]",
			"[{from: message, pattern: '<_> <h> ev=<ev> '}]",
			`[{from: message, regexp: '(?P<u>u\d) .*x=(?P<x>\S+)'}]`,
			"[{from: message, json: [x, ev=a.b, h=a_c]}]",
			"[{from: u, regexp: 'u(?P<x>.)'}, {from: message, logfmt: [x]}]",
			"[{from: message, logfmt: [x]}, {from: u, pattern: 'u<x>'}, {from: h, pattern: '<ev>'}]",
		)
	}
	if f.templates && d.in(2) && r["when"] != "" && !strings.Contains(r["when"], " or ") {
		r["labels"] = d.of(`{size: '{{ if gt .Value 2.0 }}big{{ else }}small{{ end }}'}`,
			`{h: '{{ if eq .Value 0.0 }}none{{ else }}some{{ end }}', team: x}`)
		r["lint_ignore"] = "[label-template]"
	}
	if f.limit && r["by"] != "" { // of rules that know nothing beyond their windows
		own := map[string]string{"alert": name, "by": r["by"], "window": r["window"],
			"limit": d.of("1", "1", "2", "3")}
		if d.in(2) {
			own["match"] = quoted(d.query())
		}
		if d.in(2) {
			own["when"] = quoted(d.of("count() > 1", "max(x) > 2", "count(ev:a) > 1",
				"count(ev:a) / count() > 50%", "max(y) > 1 or sum(x) > 5",
				"count(ev:a) > count(ev:b)", "avg(x, u:*) >= 2", "p50(x) > 2 and count() > 1"))
		}
		if d.in(2) {
			own[d.of("for", "keep_firing_for", "resolve")] = d.of("5s", "10s", "30s", "1m")
		}
		return own
	}
	if f.files && d.in(3) && r["remember"] == "" && !strings.Contains(r["when"], " over ") {
		// that of the file
		delete(r, "window")
		if len(r["every"]) > 2 {
			delete(r, "every")
		}
	}
	if f.topics && d.in(2) {
		r["source"] = d.of("logs", "other", "other", "[logs, other]")
	}
	if f.modes && d.in(2) {
		r["mode"] = d.of("shadow", "shadow", "signal", "off")
	}
	if f.suppressions && d.in(2) {
		r["suppressed_by"] = "[" + d.of("s0", "s1", "s2", "s0, s1") + "]"
	}
	return r
}

// record is a random record of a name.
func (d draw) record(name string, f features) map[string]string {
	r := map[string]string{"record": name, "window": d.duration()}
	if d.in(3) {
		r["match"] = quoted(d.query())
	}
	if d.in(2) {
		r["by"] = d.of("[h]", "[h, u]", "['w=u']")
	}
	if f.lateness && d.in(2) {
		r["lateness"] = d.of("0s", "2s", "15s", "25s")
	}
	if f.topics && d.in(2) {
		r["source"] = d.of("logs", "other", "[logs, other]")
	}
	if f.plain && d.in(2) {
		r["labels"] = "{team: x}"
	}
	call, _ := d.aggregate()
	if d.in(3) {
		other, _ := d.aggregate()
		call += d.of(" + ", " - ", " * ", " / ") + other
	}
	if d.in(2) {
		r["every"] = d.of("1s", "5s")
		if d.in(3) {
			call = "since(" + d.query() + ")"
		}
	}
	r["when"] = quoted(call)
	return r
}

// longerThan is for how long a group or a value is remembered: a little longer than the window.
func (d draw) longerThan(window string) string {
	w, err := time.ParseDuration(window)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%ds", int((w + time.Duration(2+d.IntN(60))*time.Second).Seconds()))
}

// life adds when the alert begins and ends.
func (d draw) life(r map[string]string) {
	if d.in(3) {
		r["for"] = d.of("5s", "10s", "30s", "1m")
	}
	if d.in(3) {
		r["keep_firing_for"] = d.of("5s", "10s", "30s", "1m")
	}
	switch d.IntN(8) {
	case 0:
		r["resolve"] = d.of("5s", "30s", "1m")
	case 1:
		r["resolve"] = quoted(d.query() + " message:*")
	case 2:
		r["resolve"] = "{match: " + quoted(d.query()+" message:*") + ", or_after: " + d.of(
			"30s",
			"1m",
		) + "}"
	case 3:
		r["resolve"] = "{when: " + quoted(d.comparison()) + "}"
	case 4:
		if d.in(3) {
			r["resolve"] = "manual"
		}
	}
	if call, constant := d.aggregate(); d.in(6) && r["sequence"] == "" {
		r["when"] = quoted(call + " > " + constant)
		r["levels"] = "{low: '> " + constant + "', high: '> " + d.of("2", "3", "5", "10") + "'}"
	} else if d.in(12) && r["sequence"] == "" {
		r["when"] = quoted("since(" + d.query() + ") > " + d.of("5s", "10s"))
		r["levels"] = "{low: '> 5s', high: '> " + d.of("20s", "30s", "1m") + "'}"
	}
}

// sequence makes the rule one about a sequence.
func (d draw) sequence(r map[string]string) {
	delete(r, "when")
	r["within"] = d.of("10s", "30s", "1m", "2m")
	var steps []string
	n := 2 + d.IntN(2)
	for i := range n {
		if i > 0 && d.in(3) {
			steps = append(steps, "{not: "+quoted(d.of("ev:a", "ev:c", "ev:d", "u:u1"))+"}")
		}
		step := "{match: " + quoted(d.of("ev:a", "ev:b", "ev:c", "ev:(a or b)", "level>=WARN"))
		if d.in(3) {
			step += ", times: 2"
		}
		if i > 0 && d.in(3) {
			step += ", within: " + d.of("5s", "20s", "30s")
		}
		steps = append(steps, step+"}")
	}
	if d.in(3) {
		steps = append(
			steps,
			"{not: "+quoted(d.of("ev:c", "ev:d"))+", within: "+d.of("5s", "20s")+"}",
		)
	}
	r["sequence"] = "[" + strings.Join(steps, ", ") + "]"
}

// features are the parts of the rule language that a scenario uses.
type features struct {
	life, hours, suppressions, absence, values, firing, sequences, every, alerts, records bool

	calendar bool // hours of days
	past     bool // comparisons with earlier days
	lateness bool // rules have their own
	modes    bool
	topics   bool // several
	lists    bool
	limit    bool // of groups
	// labels of logs by the selection that they match, extracted fields, labels with the value
	matchers, extract, templates bool
	// groups by labels of the envelope, plain labels and what alerts show, keys of the file
	stream, plain, files bool
}

func (d draw) features() features {
	f := features{}
	for range 1 + d.IntN(3) {
		switch d.IntN(9) {
		case 0, 1:
			f.life = true
		case 2:
			f.hours = true
		case 3:
			f.suppressions = true
		case 4:
			f.absence = true
		case 5:
			f.values = true
		case 6:
			f.firing = true
		case 7:
			f.sequences = true
		case 8:
			f.every = true
		}
	}
	f.life = f.life || f.hours && d.in(2) // hours that end while an alert waits
	f.alerts, f.records = d.in(10), d.in(7)
	f.calendar = !f.hours && !f.records && d.in(10)
	f.life = f.life || f.calendar && d.in(4)
	f.past = !f.hours && !f.records && d.in(20)
	f.lateness, f.modes, f.topics = d.in(5), d.in(8), d.in(6)
	f.matchers, f.extract, f.templates = d.in(8), d.in(8), d.in(8)
	f.stream, f.plain, f.files = d.in(12), d.in(8), d.in(10)
	if f.limit = d.in(10); f.limit {
		return features{limit: true}
	}
	if f.modes {
		f.firing, f.alerts = true, f.alerts || d.in(2)
	}
	return f
}

const hoursText = `time_intervals: [{name: even, time_intervals: [{times: [` +
	`{start_time: '09:00', end_time: '09:01'}, {start_time: '09:02', end_time: '09:03'}, ` +
	`{start_time: '09:04', end_time: '09:05'}, {start_time: '09:06', end_time: '09:07'}, ` +
	`{start_time: '09:08', end_time: '09:09'}]}]}, ` +
	`{name: first, time_intervals: [{times: [{start_time: '09:00', end_time: '09:04'}], location: UTC}]}, ` +
	`{name: later, time_intervals: [{times: [{start_time: '09:03', end_time: '24:00'}], weekdays: ['monday:friday']}]}, ` +
	`{name: berlin, time_intervals: [{times: [{start_time: '10:02', end_time: '10:07'}], location: Europe/Berlin}]}]`

// begins is a random instant not long before clocks change or a month ends.
func (d draw) begins() time.Time {
	day := [][3]int{
		{2026, 3, 28}, {2026, 3, 30}, {2026, 10, 24}, {2026, 10, 30}, // Europe
		{2026, 3, 7}, {2026, 10, 31}, {2026, 11, 29}, // New York
		{2026, 4, 4}, {2026, 10, 3}, // Lord Howe, by half an hour
		{2028, 2, 28}, {2027, 2, 27}, {2026, 12, 31}, {2026, 4, 29},
		{2026, 4, 23}, {2026, 10, 29}, // Cairo, at midnight
		{2026, 3, 7}, {2026, 10, 31}, // Havana, at midnight
		{2026, 9, 26}, {2026, 4, 4}, // Chatham, at a quarter to
		{2026, 3, 28}, {2026, 9, 5}, // Beirut and Santiago, at midnight
		{2011, 12, 29},               // Apia, which has no 30th
		{2026, 2, 14}, {2026, 3, 21}, // Casablanca, for a month
	}[d.IntN(24)]
	return time.Date(day[0], time.Month(day[1]), day[2], d.IntN(24), d.IntN(60), 0, 0, time.UTC)
}

// calendar is a random interval of days and hours in some zone.
func (d draw) calendar() string {
	parts := []string{"location: " + d.of("UTC", "Europe/Berlin", "America/New_York",
		"Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns", "Africa/Cairo",
		"America/Havana", "Pacific/Chatham", "Asia/Beirut", "America/Santiago", "Pacific/Apia",
		"Africa/Casablanca", "Pacific/Kiritimati", "Asia/Kathmandu", "Europe/Dublin",
		"Antarctica/Troll", "Pacific/Marquesas")}
	if d.in(2) {
		parts = append(parts, "days_of_month: ["+quoted(d.of("1", "-1", "1:3", "-3:-1", "28:31",
			"29", "30", "31", "-31", "1:-1", "2:-2", "15:-2", "1:15", "-1:-1", "-30:-30", "28:-2",
			"27:28", "-4:-2", "29:31"))+"]")
	}
	if d.in(2) {
		parts = append(parts, d.of(
			"times: [{start_time: '09:00', end_time: '17:00'}]",
			"times: [{start_time: '00:00', end_time: '03:00'}]",
			"times: [{start_time: '01:30', end_time: '02:30'}]",
			"times: [{start_time: '02:00', end_time: '24:00'}]",
			"times: [{start_time: '22:00', end_time: '24:00'}, {start_time: '00:00', end_time: '06:00'}]",
		))
	}
	if d.in(3) {
		parts = append(parts, "weekdays: ["+
			d.of("'monday:friday'", "saturday", "sunday", "'saturday', 'monday'")+"]")
	}
	if d.in(4) {
		parts = append(parts, "months: ["+d.of("march", "'march:april'", "'10:12'", "february")+"]")
	}
	if d.in(10) {
		parts = append(parts, "years: ["+d.of("'2026'", "'2026:2027'", "'2011'", "'2028:2030'")+"]")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// scenario is a random scenario.
func (d draw) scenario() scenario {
	var s scenario
	f := d.features()
	if d.more = d.in(6); d.more {
		f.lists = true
	}
	if f.hours {
		s.file = append(s.file, hoursText)
	}
	if f.files {
		s.file = append(s.file, "window: "+d.of("20s", "1m", "2m"), "labels: {site: x}")
		if f.lateness {
			s.file = append(s.file, "lateness: "+d.of("5s", "15s"))
		}
	}
	if f.calendar {
		s.begins = d.begins()
		s.file = append(s.file, "time_intervals: [{name: c0, time_intervals: ["+d.calendar()+"]}, "+
			"{name: c1, time_intervals: ["+d.calendar()+", "+d.calendar()+"]}]")
	}
	if f.absence || f.lists {
		s.file = append(s.file,
			"lists: {L: [a, b, q], M: [u1, 'x*', 'u?a'], nets: [10.0.0.0/9, 2001:db8::1, '1*']}")
	}
	if f.suppressions {
		var list []string
		for i := range 3 {
			one := fmt.Sprintf("{name: s%d, start: '%s message:*', end: '%s message:*', max: %s",
				i, d.of("ev:a", "ev:b"), d.of("ev:c", "ev:d"), d.of("30s", "1m", "2m"))
			if d.in(2) {
				one += ", by: " + d.of("[h]", "['h=h|k']")
			}
			if d.in(3) {
				one += ", after: " + d.of("5s", "20s")
			}
			list = append(list, one+"}")
		}
		s.file = append(s.file, "suppressions: ["+strings.Join(list, ", ")+"]")
	}
	var names []string
	for i := range 1 + d.IntN(3) {
		name := fmt.Sprintf("R%d", i)
		if f.records && d.in(2) {
			s.rules = append(s.rules, d.record(name, f))
			continue
		}
		s.rules = append(s.rules, d.rule(name, names, f))
		names = append(names, name)
	}
	if f.alerts {
		about := map[string]string{
			"alert": "About", "window": d.duration(),
			"match": quoted(d.of("state:firing", "state:resolved", "state:firing alertname:R0",
				"state:suppressed", "not state:resolved", "alertname:R*", "severity:high", "h:a")),
			"when": quoted(d.of(
				"count() > 0",
				"count() > 1",
				"distinct(alertname) >= 2",
				"count(state:firing) > count(state:resolved)",
				"distinct(rule) > 1",
				"count() == 0",
				"since(state:firing) > 30s",
			)),
		}
		if d.in(2) {
			about["by"] = d.of("[h]", "[h]", "[alertname]", "[rule, h]")
		}
		if d.in(3) {
			about["for"] = d.of("5s", "30s")
		}
		if f.modes && d.in(2) {
			about["mode"] = d.of("shadow", "signal")
		}
		if d.in(4) {
			about["keep_firing_for"] = d.of("5s", "30s", "1m")
		}
		if d.in(6) {
			about["every"] = d.of("5s", "10s")
			if len(about["window"]) == 2 { // of less than a minute
				about["every"] = "5s"
			}
		}
		if f.hours && d.in(2) {
			about["active"] = "[" + quoted(d.of("even", "first", "not later")) + "]"
		}
		if f.suppressions && d.in(3) {
			about["suppressed_by"] = "[s0]"
		}
		if d.in(6) && about["when"] == quoted("count() > 0") {
			about["levels"] = "{low: '> 0', high: '> 2'}"
		}
		if d.in(4) && len(names) > 0 {
			about["when"] = quoted("count() > 0 and " + d.of("", "not ") +
				"firing(" + d.of(names...) + ")")
		}
		s.about = append(s.about, about)
	}
	s.partitions, s.restart = 1, [...]int{1, 2, 3, 6}[d.IntN(4)]
	if d.in(3) {
		s.partitions = 3
	}
	disorder, late := d.in(2), d.in(3)
	at := time.Duration(d.IntN(120)) * time.Second
	logs := 1 + d.IntN(16)
	if f.past {
		logs = 20 + d.IntN(30)
		s.begins = d.begins().Truncate(time.Hour)
	}
	for range logs {
		if f.past { // some at the same time of day
			switch d.IntN(4) {
			case 0:
				at = (at/(24*time.Hour) + 1) * 24 * time.Hour
				at += time.Duration(d.IntN(4)) * 15 * time.Minute
			case 1:
				at += time.Duration(d.IntN(50)) * time.Minute
			}
		}
		if f.calendar && d.in(3) {
			at += time.Duration(d.IntN(14*60)) * time.Minute
		}
		switch d.IntN(8) {
		case 0:
		case 1:
			at += time.Duration(60+d.IntN(240)) * time.Second
		case 2:
			at += time.Duration(d.IntN(3000)) * time.Millisecond
		default:
			at += time.Duration(1+d.IntN(15)) * time.Second
		}
		a := arrival{at: at, fields: d.fields(f), partition: int32(d.IntN(s.partitions))}
		if f.topics && d.in(2) {
			a.topic = "other"
		}
		if disorder && d.in(2) {
			a.delay = time.Duration(d.IntN(10_000)) * time.Millisecond
			if late && d.in(2) {
				a.delay += time.Duration(d.IntN(30_000)) * time.Millisecond
			}
			if d.in(4) { // exactly as late as a rule may allow
				a.delay = [...]time.Duration{2, 10, 10, 15, 25}[d.IntN(5)] * time.Second
			}
		}
		if s.partitions > 1 ||
			f.topics { // logs of one instant have an order within their partition alone
			at += time.Millisecond
		}
		s.logs = append(s.logs, a)
	}
	return s
}

// time is a time as it stands in a message, all of which are masked, those of a form alike.
func (d draw) time() string {
	t := time.Date(2026, time.Month(1+d.IntN(12)), 1+d.IntN(28), d.IntN(24), d.IntN(60), d.IntN(60),
		d.IntN(2)*123456789, time.FixedZone(d.of("CET", "EST"), d.IntN(20)*1800-18000))
	switch d.IntN(3) {
	case 0:
		return t.Format(d.of(time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05Z0700",
			"2006-01-02T15:04:05"))
	case 1:
		return t.Format(d.of(time.DateTime, "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700",
			"2006/01/02 15:04:05 PM"))
	}
	return t.Format(d.of(time.Stamp, time.ANSIC, time.RFC1123Z, "02/Jan/2006:15:04:05 -0700",
		"Jan 2 2006 15:04:05", "02 Jan 2006 15:04:05 MST"))
}

// fields are those of a random log.
func (d draw) fields(f features) map[string]any {
	m := map[string]any{}
	maybe := func(of int, key string, values ...any) {
		if !d.in(of) {
			m[key] = values[d.IntN(len(values))]
		}
	}
	maybe(5, "ev", "a", "a", "b", "b", "c", "d", "A")
	maybe(3, "h", "a", "a", "a", "b", "b", "c", "c", "")
	if d.in(3) {
		maybe(2, "k", "a", "b")
	}
	maybe(2, "u", "u1", "u2", "u3")
	maybe(3, "x", 0, 1, 2, 2.5, 3, 5, 7, -1, 0.1, "2.5", "3s", "1kB", "1 kB", "nothing", 10)
	if d.in(3) {
		maybe(4, "y", 0, 1, 250.5, "0.3s", "300 ms", "1m", []any{1, 400}, 1e3, true)
		maybe(4, "t", "p", "q", []any{"p", "q"}, []any{}, []any{1, 7}, []any{"q", nil, 3}, nil)
	}
	maybe(3, "level", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
	m["message"] = d.of(
		"order 17 failed",
		"order 4711 failed",
		"connection refused",
		"Card Refused",
		"m",
	)
	if d.in(6) {
		m["message"] = "order of " + d.time() + " failed"
	}
	if f.stream {
		maybe(2, "host", "a", "b", "")
		maybe(2, "service", "s1", "s2")
		maybe(4, "pod", "p1", "p2")
		maybe(4, "namespace", "n1")
	}
	if d.more {
		maybe(3, "x", "85 %", "85%", "5k", "1m30s", "PT26.481S", "PT1M30S", "512 KiB", "1_000",
			"1,000", "0x1F", "inf", "NaN", "-3s", "1.005s", "1005ms", "2 seconds", " 7 ", "1e3",
			0.1, 0.2, 0.3, 0.7, 2.9, "0.7%", "5 5", "", "s", 1005, 1e-7)
		maybe(3, "ip", "10.1.2.3", "10.200.0.1", "192.168.0.1", "2001:db8::1", "::ffff:10.0.0.1",
			"10.0.0.256", "10.1.2", []any{"1.2.3.4", "10.0.0.9"})
		maybe(4, "u", "u1", "u2", "x", "U1", "u?", "uva", "x y")
	}
	if f.extract && !d.in(3) {
		m["message"] = d.of(
			"order 3 a",
			"order 0.5 b refused",
			"x=3 h=b ev=b done",
			"took=7 kind=c",
			"a b ev=c x=1",
			"u2 paid x=250ms ev=a",
			`{"x":"4","a":{"b":"a","c":"b"}}`,
			`{"a":{"b":"d"}}`,
			"x= ev=a",
			"order  ",
			"u1 x=5",
		)
	}
	return m
}
