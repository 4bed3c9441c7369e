package elastalert

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// draft is one rule in the making.
type draft struct {
	name   string     // "" for the rule's own
	match  rule.Query // beside the filters
	when   string
	window time.Duration
	by     []string
	labels []string // the labels of by
	keep   time.Duration
	learn  time.Duration

	remember time.Duration
	polled   bool // ElastAlert asks at intervals
}

// kinds are ElastAlert's types of rules.
var kinds = map[string]func(*one) ([]draft, error){
	"any":                (*one).any,
	"blacklist":          (*one).blacklist,
	"whitelist":          (*one).whitelist,
	"change":             (*one).change,
	"frequency":          (*one).frequency,
	"spike":              (*one).spike,
	"flatline":           (*one).flatline,
	"new_term":           (*one).newTerm,
	"cardinality":        (*one).cardinality,
	"metric_aggregation": (*one).metric,
	"spike_aggregation":  (*one).spikeMetric,
	"percentage_match":   (*one).percentage,
}

// grouped gives a draft the groups of query_key. Events without the key are a group of their own,
// but where Elasticsearch counts the groups they are none.
func (r *one) grouped(d draft, counted bool) draft {
	if r.is("use_count_query") && slices.Contains(countable, r.kind) {
		if r.get("query_key") != nil {
			r.say(imports.WithinPoll, "count-query",
				"use_count_query counts all events together, so query_key makes no groups")
		}
		return d
	}
	for _, name := range imports.Values(r.root, "query_key") {
		source, own := r.filters.types.source(name), r.filters.types.own(name)
		if own == source {
			d.by = append(d.by, source)
		} else {
			d.by = append(d.by, source+"="+own)
		}
		d.labels = append(d.labels, source)
		if counted {
			d.match = all(d.match, r.filters.exists(name))
		}
	}
	return d
}

// countable are the types that can do with the numbers of events, see use_count_query.
var countable = []string{"frequency", "flatline", "spike"}

// timeframe is the length of the window, which some types must have.
func (r *one) timeframe() (time.Duration, error) {
	d, err := r.duration("timeframe")
	if err == nil && d == 0 {
		err = errors.New("timeframe is empty")
	}
	return d, err
}

func (r *one) any() ([]draft, error) { return []draft{r.grouped(draft{}, false)}, nil }

func (r *one) frequency() ([]draft, error) {
	if err := r.require("num_events", "timeframe"); err != nil {
		return nil, err
	}
	frame, err := r.timeframe()
	if err != nil {
		return nil, err
	}
	n, _, err := r.number("num_events")
	if err != nil {
		return nil, err
	}
	d := draft{
		when: "count() >= " + n, window: frame, keep: frame,
		polled: r.is("use_count_query") || r.is("use_terms_query"),
	}
	return []draft{r.grouped(d, r.is("use_terms_query"))}, nil
}

func (r *one) flatline() ([]draft, error) {
	if err := r.require("threshold", "timeframe"); err != nil {
		return nil, err
	}
	frame, err := r.timeframe()
	if err != nil {
		return nil, err
	}
	n, _, err := r.number("threshold")
	if err != nil {
		return nil, err
	}
	r.verdict = imports.WithinPoll
	d := r.grouped(
		draft{when: "count() < " + n, window: frame, polled: true},
		r.is("use_terms_query"),
	)
	if len(d.by) > 0 && r.is("forget_keys") {
		d.remember = 2 * frame
	}
	return []draft{d}, nil
}

func (r *one) spike() ([]draft, error) {
	if err := r.require("timeframe", "spike_height", "spike_type"); err != nil {
		return nil, err
	}
	count := "count()"
	field := r.value("field_value")
	if field != "" {
		count = "avg(" + r.filters.types.own(field) + ")"
		r.remark("field-value", "field_value is cut to whole numbers there, and here it is not")
	}
	return r.spikeOf(count, field != "")
}

// spikeOf compares a number with itself one window earlier.
func (r *one) spikeOf(number string, mean bool) ([]draft, error) {
	frame, err := r.timeframe()
	if err != nil {
		return nil, err
	}
	height, _, err := r.number("spike_height")
	if err != nil {
		return nil, err
	}
	before := number + " offset " + duration.Format(frame)
	up := fmt.Sprintf("%s >= %s * %s", number, height, before)
	down := fmt.Sprintf("%s <= %s / %s", number, before, height)
	limits := ""
	if mean {
		limits = fmt.Sprintf(" and %s != 0 and %s != 0", number, before)
	} else {
		for _, limit := range []struct{ key, number string }{
			{"threshold_cur", number}, {"threshold_ref", before},
		} {
			n, ok, err := r.number(limit.key)
			if err != nil {
				return nil, err
			}
			if ok {
				limits += fmt.Sprintf(" and %s >= %s", limit.number, n)
			}
		}
	}
	r.verdict = imports.WithinPoll
	// after a match both windows have to fill again
	d := r.grouped(draft{window: frame, keep: 2 * frame, polled: true}, r.is("use_terms_query"))
	if len(d.by) > 0 && number == "count()" && limits == "" {
		// a key without events is forgotten, and nothing beside nothing is no spike
		up, down = up+" and "+number+" > 0", down+" and "+before+" > 0"
	}
	switch kind := r.value("spike_type"); kind {
	case "up":
		d.when = up
	case "down":
		d.when = down
	case "both":
		d.when = "(" + up + " or " + down + ")"
	default:
		return nil, fmt.Errorf("spike_type %q is none of up, down and both", kind)
	}
	d.when += limits
	return []draft{d}, nil
}

func (r *one) spikeMetric() ([]draft, error) {
	err := r.require("timeframe", "spike_height", "spike_type", "metric_agg_key", "metric_agg_type")
	if err != nil {
		return nil, err
	}
	number, err := r.aggregate()
	if err != nil {
		return nil, err
	}
	r.remark(
		"spike-aggregation",
		"ElastAlert compares the values of its polls, each of the last buffer_time; "+
			"here it is "+number+" of two windows",
	)
	return r.spikeOf(number, false)
}

func (r *one) cardinality() ([]draft, error) {
	if err := r.require("timeframe", "cardinality_field"); err != nil {
		return nil, err
	}
	frame, err := r.timeframe()
	if err != nil {
		return nil, err
	}
	number := "distinct(" + r.filters.types.own(r.value("cardinality_field")) + ")"
	when, err := r.thresholds(number, "max_cardinality", "min_cardinality", "")
	if err != nil {
		return nil, err
	}
	if r.get("min_cardinality") != nil {
		r.verdict = imports.WithinPoll
	}
	// there an event that is exactly so old still counts, and times are in milliseconds
	return []draft{r.grouped(draft{when: when, window: frame + time.Millisecond}, false)}, nil
}

// thresholds compares a number with an upper and a lower bound, one of which must be there.
func (r *one) thresholds(number, upper, lower, unit string) (string, error) {
	high, above, err := r.number(upper)
	if err != nil {
		return "", err
	}
	low, below, err := r.number(lower)
	if err != nil {
		return "", err
	}
	switch {
	case above && below:
		return fmt.Sprintf("(%s > %s%s or %s < %s%s)", number, high, unit, number, low, unit), nil
	case above:
		return fmt.Sprintf("%s > %s%s", number, high, unit), nil
	case below:
		return fmt.Sprintf("%s < %s%s", number, low, unit), nil
	}
	return "", fmt.Errorf("type %s needs %s or %s", r.kind, upper, lower)
}

// aggregates are the aggregations of metrics.
var aggregates = map[string]string{
	"min": "min", "max": "max", "avg": "avg", "sum": "sum", "cardinality": "distinct",
}

// aggregate is the number of metric_agg_type and metric_agg_key.
func (r *one) aggregate() (string, error) {
	key, kind := r.filters.types.own(r.value("metric_agg_key")), r.value("metric_agg_type")
	if r.get("metric_agg_script") != nil {
		return "", errors.New("metric_agg_script is a program, which rules do not have")
	}
	switch name := aggregates[kind]; {
	case name != "":
		return name + "(" + key + ")", nil
	case kind == "value_count":
		return "count(" + key + ":*)", nil
	case kind == "percentiles":
		p, ok, err := r.number("percentile_range")
		if err != nil || !ok {
			return "", cmp.Or(err, errors.New("percentiles need percentile_range"))
		}
		r.remark(
			"percentile",
			"percentiles are estimated there by TDigest; here they are exact, or within 1 %",
		)
		return "p" + p + "(" + key + ")", nil
	}
	return "", fmt.Errorf("metric_agg_type %q has no counterpart", kind)
}

// defaultBuffer is the buffer_time of ElastAlert's own example, when no config.yaml is given.
const defaultBuffer = 15 * time.Minute

// buffer is how far the queries of aggregations look back.
func (r *one) buffer() (time.Duration, error) {
	key := "buffer_time"
	switch {
	case r.get("bucket_interval") != nil:
		key = "bucket_interval"
		r.remark("bucket", "bucket_interval counts aligned buckets; here the window slides")
	case r.is("use_run_every_query_size"):
		key = "run_every"
	}
	d, err := r.duration(key)
	if err == nil && d == 0 {
		d = defaultBuffer
		r.remark(
			"buffer-time",
			key+" is not known, and taken for 15m; it is in config.yaml, see --es-config",
		)
	}
	return d, err
}

func (r *one) metric() ([]draft, error) {
	if err := r.require("metric_agg_key", "metric_agg_type"); err != nil {
		return nil, err
	}
	number, err := r.aggregate()
	if err != nil {
		return nil, err
	}
	when, err := r.thresholds(number, "max_threshold", "min_threshold", "")
	if err != nil {
		return nil, err
	}
	keyed := len(imports.Values(r.root, "query_key")) > 0
	low, below, _ := r.number("min_threshold")
	if v, _ := strconv.ParseFloat(low, 64); below && !keyed && v > 0 &&
		strings.HasPrefix(number, "sum(") {
		when += " or count() == 0" // a sum of nothing is 0 there
	}
	if n, ok, err := r.number("min_doc_count"); err != nil {
		return nil, err
	} else if keyed && (ok || below) {
		when += " and count() >= " + cmp.Or(n, "1") // there a group without events is none
	}
	return r.aggregated(when)
}

// aggregated is a rule over what a query of Elasticsearch counts.
func (r *one) aggregated(when string) ([]draft, error) {
	window, err := r.buffer()
	if err != nil {
		return nil, err
	}
	r.verdict = imports.WithinPoll
	return []draft{r.grouped(draft{when: when, window: window, polled: true}, true)}, nil
}

func (r *one) percentage() ([]draft, error) {
	if err := r.require("match_bucket_filter"); err != nil {
		return nil, err
	}
	q, err := r.filter("match_bucket_filter")
	if err != nil {
		return nil, err
	}
	number := "count() / count()"
	switch {
	case isNever(q):
		return nil, errors.New(cmp.Or(r.filters.why, "match_bucket_filter never holds"))
	case q != nil:
		text, err := rule.QueryText(q)
		if err != nil {
			return nil, err
		}
		number = "count(" + text + ") / count()"
	}
	when, err := r.thresholds(number, "max_percentage", "min_percentage", "%")
	if err != nil {
		return nil, err
	}
	if n, ok, err := r.number("min_denominator"); err != nil {
		return nil, err
	} else if ok && n != "0" {
		when += " and count() >= " + n
	}
	return r.aggregated(when)
}

func (r *one) newTerm() ([]draft, error) {
	n := r.get("fields")
	if n == nil {
		n = r.get("query_key")
	}
	if n == nil || len(members(n)) == 0 {
		return nil, errors.New("type new_term needs fields or query_key")
	}
	known, err := r.duration("terms_window_size")
	if err != nil {
		return nil, err
	}
	known = cmp.Or(known, 30*24*time.Hour)
	lists := members(n)
	var rules []draft
	for _, one := range lists {
		names := fieldNames(one)
		var own []string
		for _, name := range names {
			own = append(own, r.filters.types.own(name))
		}
		if len(own) == 0 {
			return nil, errors.New("fields has an empty list")
		}
		d := draft{when: "new(" + strings.Join(own, ", ") + ") > 0", learn: known, remember: known}
		if len(lists) > 1 {
			d.name = r.name + " (" + strings.Join(names, ", ") + ")"
		}
		rules = append(rules, d)
		if r.is("alert_on_missing_field") {
			var there []rule.Query
			for _, name := range names {
				there = append(there, r.filters.exists(name))
			}
			rules = append(rules, draft{
				name:  r.name + " (no " + strings.Join(names, ", ") + ")",
				match: not(all(there...)),
			})
		}
	}
	return rules, nil
}

// fieldNames are the names of a field, or of several that count together.
func fieldNames(n *yaml.Node) (names []string) {
	for _, m := range members(n) {
		names = append(names, m.Value)
	}
	return names
}

func (r *one) change() ([]draft, error) {
	if err := r.require("compare_key", "ignore_null", "query_key"); err != nil {
		return nil, err
	}
	frame, err := r.duration("timeframe")
	if err != nil {
		return nil, err
	}
	var d draft
	var parts []string
	for _, name := range imports.Values(r.root, "compare_key") {
		call := "changed(" + r.filters.types.own(name)
		if frame > 0 {
			call += ", within " + duration.Format(frame)
		}
		parts = append(parts, call+") > 0")
		if r.is("ignore_null") {
			d.match = all(d.match, r.filters.exists(name))
		}
	}
	if len(parts) == 0 {
		return nil, errors.New("compare_key names no field")
	}
	if !r.is("ignore_null") {
		r.remark(
			"null",
			"ignore_null is false: there a missing value is a change, too; here it is skipped",
		)
	}
	d.when = strings.Join(parts, " or ")
	return []draft{r.grouped(d, false)}, nil
}

// entries are the members of a blacklist or whitelist, those of files included.
func (r *one) entries(key string) (list []string, err error) {
	for _, text := range imports.Values(r.root, key) {
		rest, file := strings.CutPrefix(text, "!file")
		if !file {
			list = append(list, text)
			continue
		}
		name := strings.TrimSpace(rest)
		if r.options.Read == nil || name == "" {
			return nil, fmt.Errorf("%s is in file %q, which cannot be read here", key, name)
		}
		data, err := r.options.Read(name)
		// ElastAlert's names start from where it runs, mostly the rules' directory or one above
		for dir := filepath.Dir(r.file); err != nil && !filepath.IsAbs(name); {
			if found, other := r.options.Read(filepath.Join(dir, name)); other == nil {
				data, err = found, nil
			}
			above := filepath.Dir(dir)
			if above == dir {
				break
			}
			dir = above
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimRight(line, " \t\r\n"); line != "" {
				list = append(list, line)
			}
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s is empty", key)
	}
	if len(list) > maxEntries {
		return nil, fmt.Errorf(
			"%s has %d members; write a list of a file or a topic by hand, as in "+
				"docs/reference/rule-file.md",
			key,
			len(list),
		)
	}
	return list, nil
}

const maxEntries = 10_000

// listed is the query that the value of compare_key is in a list. It distinguishes case, and a
// number is never in it, since the lists hold texts.
func (r *one) listed(list []string) (rule.Query, string) {
	name := r.value("compare_key")
	if keys := imports.Values(r.root, "compare_key"); len(keys) == 1 {
		name = keys[0]
	}
	own, source := r.filters.types.own(name), r.filters.types.source(name)
	var of []rule.Query
	for _, text := range list {
		q := equal(own, text)
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			last := source[strings.LastIndexByte(source, '.')+1:]
			bare, err := expression(
				"raw",
				`"`+escapeExpression(last)+`"\s*:\s*`+escapeExpression(text)+`\s*[,}\]]`,
			)
			if err == nil {
				q = all(q, not(bare))
			}
		}
		of = append(of, q)
	}
	return anyOf(of...), name
}

func (r *one) blacklist() ([]draft, error) {
	if err := r.require("compare_key", "blacklist"); err != nil {
		return nil, err
	}
	list, err := r.entries("blacklist")
	if err != nil {
		return nil, err
	}
	q, _ := r.listed(list)
	return []draft{r.grouped(draft{match: q}, false)}, nil
}

// whitelist matches what is not in the list. ElastAlert leaves its members out in the query, too,
// where a text field does not.
func (r *one) whitelist() ([]draft, error) {
	if err := r.require("compare_key", "whitelist", "ignore_null"); err != nil {
		return nil, err
	}
	list, err := r.entries("whitelist")
	if err != nil {
		return nil, err
	}
	q, name := r.listed(list)
	if r.value("filter_by_list") != "false" {
		var of []rule.Query
		for _, text := range list {
			if !strings.ContainsFunc(text, isWordRune) {
				continue
			}
			w, err := r.filters.words(name, text, phrase)
			if err != nil {
				return nil, err
			}
			of = append(of, w)
		}
		q = anyOf(append(of, q)...)
		if r.filters.resolve(name).kind == text_ || r.filters.resolve(name).kind == unknown {
			q = anyOf(of...) // what equals a member has its words
		}
	}
	d := draft{match: not(q)}
	if r.is("ignore_null") {
		d.match = all(r.filters.exists(name), d.match)
	}
	return []draft{r.grouped(d, false)}, nil
}
