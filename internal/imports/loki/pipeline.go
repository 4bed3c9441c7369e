package loki

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/logql"
	"github.com/log-monitoring/alert-engine/internal/imports/ruler"
	"github.com/log-monitoring/alert-engine/internal/imports/tree"
)

// pipeline is the state of a query's stages: what names mean behind them.
type pipeline struct {
	l       *lowering
	renames map[string]string // labels by their new names
	known   []string          // fields that parsers name
	labels  []string          // labels that the selector asks for, so that the stream has them
	open    string            // the parser that yields whatever a line has: json, logfmt, or ""
	dropped []string
	kept    []string // the labels that keep has left; nil for all
	line    string   // why the line is no longer the one that was shipped
	entry   string   // the field that unpack has made the line; "" for none
	failing bool     // lines with an error of the parser are still there
	parsed  bool     // lines that are not JSON have been left out by name
	partial bool     // logfmt is asked for several fields, or for one under another name
	named   []string // fields that json and logfmt were asked for, which are empty where they miss
}

// field is the field that a label's name means.
func (p *pipeline) field(name string) string {
	if old, ok := p.renames[name]; ok {
		name = old
	}
	if base, ok := strings.CutSuffix(name, "_extracted"); ok && p.open != "" {
		return p.member(name, name+"="+base)
	}
	switch {
	case slices.Contains(p.labels, name): // of which a parser makes name_extracted
		return p.stream(name)
	case slices.Contains(p.known, name):
		return own(name)
	case p.open != "":
		return p.member(name, name)
	}
	return p.stream(name)
}

// gone reports whether drop or keep has removed a label.
func (p *pipeline) gone(name string) bool {
	return slices.Contains(p.dropped, name) || p.kept != nil && !slices.Contains(p.kept, name)
}

// stream is the field of a label of the stream.
func (p *pipeline) stream(name string) string {
	if field, ok := p.l.labels.Fields[name]; ok {
		return field
	}
	switch name {
	case "detected_level":
		p.l.once(imports.Differs, "detected-level",
			"Loki guesses detected_level when it takes a line in; here it is the level of the "+
				"log")
		return "level"
	case "service_name":
		p.l.once(imports.Differs, "service-name",
			"Loki derives service_name when it takes a line in; here it is the service of the "+
				"log")
		return "service"
	}
	return "stream." + name
}

// own is how a rule names a field that it extracts: the names of the level keep their meaning.
func own(name string) string {
	if decode.Canonical(name) == "level" {
		return "fields." + name
	}
	return name
}

// member asks the parser for one more field.
func (p *pipeline) member(name, spec string) string {
	kind := p.open
	if kind == "" {
		kind = "json"
	}
	if !slices.Contains(p.l.members[kind], spec) {
		p.l.members[kind] = append(p.l.members[kind], spec)
	}
	return own(name)
}

// absent is the condition that a label is absent or empty.
func absent(field string) tree.Node {
	if strings.HasPrefix(field, "stream.") {
		return tree.Leaf{Field: field, Null: true}
	}
	return tree.Any(
		tree.Leaf{Field: field, Null: true},
		tree.Leaf{Field: field, Values: []string{""}},
	)
}

// present is the condition that a label has a value. No label of a stream is empty.
func present(field string) tree.Node {
	if strings.HasPrefix(field, "stream.") {
		return tree.Leaf{Field: field, Mods: "exists", Values: []string{"true"}}
	}
	return tree.Leaf{Field: field, Values: []string{"?*"}}
}

func equal(field, value string) tree.Node {
	if value == "" {
		return absent(field)
	}
	if field == "level" {
		return tree.Leaf{Field: field, Values: []string{value}}
	}
	return tree.Leaf{Field: field, Mods: "cased", Values: []string{tree.Escape(value)}}
}

// matches is a comparison of a label with a text.
func matches(field, op, value string) (tree.Node, error) {
	switch op {
	case "=":
		return equal(field, value), nil
	case "!=":
		if value == "" {
			return present(field), nil
		}
		return tree.Negate(equal(field, value)), nil
	}
	n, err := tree.Whole(field, value, absent(field))
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", value, err)
	}
	if l, ok := n.(tree.Leaf); ok && len(l.Values) == 1 && l.Values[0] == "?*" {
		n = present(field)
	}
	if op == "!~" {
		n = tree.Negate(n)
	}
	return n, nil
}

// condition is the condition that a line passes a selector and its pipeline.
func (l *lowering) condition(r *logql.Range) (tree.Node, *pipeline, error) {
	p := &pipeline{l: l, renames: map[string]string{}}
	var all []tree.Node
	for _, m := range r.Selector {
		field := p.stream(m.Name)
		if m.Op == "=" || m.Op == "=~" {
			l.absentLabel(m.Name, field)
			if m.Value != "" && (m.Op == "=" || !matchesNothing(m.Value)) {
				p.labels = append(p.labels, m.Name)
			}
		}
		n, err := matches(field, m.Op, m.Value)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, n)
	}
	for _, s := range r.Stages {
		n, err := p.stage(s)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, n)
	}
	if p.failing {
		l.once(
			imports.Differs,
			"pipeline-error",
			"in Loki a line that is not "+strings.ToUpper(p.open)+
				" makes the rule fail for as long as it is in range; here it counts for what it "+
				"has",
		)
	}
	if p.parsed && r.Unwrap == nil {
		all = append(all, tree.Leaf{
			Field: "line", Mods: "re", Values: []string{`^\s*\{(?s:.*)\}\s*$`},
		})
		l.once(imports.Differs, "json-error",
			"__error__ leaves out lines that are not JSON; here those that are not within braces")
	}
	return tree.All(all...), p, nil
}

// matchesNothing reports whether a regular expression of a selector holds for an absent label.
func matchesNothing(text string) bool {
	re, err := regexp.Compile("^(?:" + text + ")$")
	return err != nil || re.MatchString("")
}

func (p *pipeline) stage(s logql.Stage) (tree.Node, error) {
	switch s := s.(type) {
	case *logql.LineFilter:
		return p.lineFilter(s)
	case *logql.Parser:
		return nil, p.parser(s)
	case *logql.LabelFilter:
		n, err := p.predicate(s.Of)
		if err == nil && p.failing && rejects(s.Of) {
			p.failing = false
		}
		if c, ok := s.Of.(*logql.Compare); ok && (c.Number || rejects(c)) &&
			!strings.HasPrefix(c.Name, "__error") && !slices.Contains(p.labels, c.Name) {
			p.parsed = false // only a line that is JSON has the label
		}
		return n, err
	case *logql.LineFormat:
		p.line = "line_format"
	case *logql.LabelFormat:
		renames := slices.Clone(s.Renames)
		for _, t := range s.Templates {
			m := copied.FindStringSubmatch(t.Path)
			if m == nil {
				return nil, fmt.Errorf(
					"label_format makes %s from a template, which rules here cannot", t.Name)
			}
			renames = append(renames, logql.Param{Name: t.Name, Path: m[1]})
		}
		for _, r := range renames {
			old := r.Path
			if p.gone(old) {
				return nil, fmt.Errorf("label_format reads %s, which has been removed", old)
			}
			if older, ok := p.renames[old]; ok {
				old = older
			}
			p.renames[r.Name] = old
			p.dropped = slices.DeleteFunc(p.dropped, func(name string) bool {
				return name == r.Name
			})
			if p.kept != nil {
				p.kept = append(p.kept, r.Name)
			}
		}
	case *logql.Other:
		switch s.Kind {
		case "decolorize":
			p.l.once(imports.Differs, "decolorize",
				"decolorize is left out: filters see the escapes of colours")
		case "drop":
			for _, name := range s.Labels {
				switch name {
				case "__error__":
					p.failing = false
				case "__error_details__":
				default:
					p.dropped = append(p.dropped, name)
				}
			}
		case "keep":
			p.kept = slices.DeleteFunc(slices.Clone(s.Labels), func(name string) bool {
				return p.gone(name) || strings.HasPrefix(name, "__error")
			})
			if p.failing = p.failing && slices.Contains(s.Labels, "__error__"); p.kept == nil {
				p.kept = []string{}
			}
		default:
			return nil, fmt.Errorf(
				"%s is not translated: it changes which labels a series has", s.Kind)
		}
	}
	return nil, nil
}

// copied is a template that is only a label.
var copied = regexp.MustCompile(`^\{\{-?\s*\.([A-Za-z_][A-Za-z0-9_]*)\s*-?\}\}$`)

// rejects reports whether a line without the labels that a filter names never passes it.
func rejects(p logql.Predicate) bool {
	switch p := p.(type) {
	case *logql.Joint:
		if p.Op == "or" {
			return rejects(p.Left) && rejects(p.Right)
		}
		return rejects(p.Left) || rejects(p.Right)
	case *logql.Compare:
		if p.Name == "__error__" {
			return p.Op == "=" && p.Text == ""
		}
		if p.Number || p.IP {
			return false // lines with an error pass these
		}
		switch p.Op {
		case "=":
			return p.Text != ""
		case "=~":
			return !matchesNothing(p.Text)
		}
	}
	return false
}

func (p *pipeline) parser(s *logql.Parser) error {
	if p.entry != "" {
		return fmt.Errorf("%s reads a line that unpack has made", s.Kind)
	}
	if p.line != "" {
		return fmt.Errorf("%s reads a line that %s has made", s.Kind, p.line)
	}
	add := func(x decode.Extraction) error {
		names, err := x.Names()
		if err != nil {
			return fmt.Errorf("%s: %w", s.Kind, err)
		}
		p.known = append(p.known, names...)
		p.l.extraction(x)
		return nil
	}
	switch {
	case s.Kind == "pattern" || s.Kind == "regexp":
		return add(decode.Extraction{From: "line", Method: s.Kind, Text: s.Text})
	case len(s.Params) > 0:
		var list []string
		p.partial = p.partial || s.Kind == "logfmt" && len(s.Params) > 1
		for _, m := range s.Params {
			path := strings.TrimSpace(m.Path)
			p.named = append(p.named, m.Name)
			if s.Kind == "logfmt" && path == m.Name {
				list = append(list, m.Name)
				continue
			}
			p.partial = p.partial || s.Kind == "logfmt"
			list = append(list, m.Name+"="+path)
		}
		p.failing = p.failing || s.Kind == "json"
		if p.open == "" && s.Kind == "json" {
			defer func() { p.failing = true }()
		}
		return add(decode.Extraction{From: "line", Method: s.Kind, Text: strings.Join(list, ",")})
	}
	kind := s.Kind
	if kind == "unpack" {
		kind = "json"
		p.entry = p.member("_entry", "_entry")
	}
	if p.open != "" && p.open != kind {
		return errors.New("json and logfmt one after the other are not translated")
	}
	p.open = kind
	p.failing = p.failing || kind == "json"
	return nil
}

func (p *pipeline) lineFilter(s *logql.LineFilter) (tree.Node, error) {
	if p.line != "" {
		return nil, fmt.Errorf("a filter looks at a line that %s has made", p.line)
	}
	var of []tree.Node
	field := "line"
	if p.entry != "" {
		field = p.entry
	}
	for _, t := range s.Texts {
		n, err := lineText(field, s.Op[1:], t)
		if err != nil {
			return nil, err
		}
		of = append(of, n)
	}
	n := of[0]
	if len(of) > 1 {
		n = anyText(of)
	}
	if s.Op[0] == '!' {
		return tree.Negate(n), nil
	}
	return n, nil
}

// anyText joins texts of which one must occur to one leaf where they are alike.
func anyText(of []tree.Node) tree.Node {
	joined, ok := of[0].(tree.Leaf)
	for _, n := range of[1:] {
		l, is := n.(tree.Leaf)
		if ok = ok && is && l.Mods == joined.Mods && l.Field == joined.Field; ok {
			joined.Values = append(slices.Clone(joined.Values), l.Values...)
		}
	}
	if ok {
		return joined
	}
	return tree.Any(of...)
}

func lineText(field, op string, t logql.Text) (tree.Node, error) {
	switch {
	case t.IP:
		expr, err := addressExprs(t.Value)
		if err != nil {
			return nil, err
		}
		return tree.Leaf{Field: field, Mods: "re", Values: expr}, nil
	case op == "~":
		n, err := tree.Find(field, t.Value)
		if err != nil {
			return nil, fmt.Errorf("regular expression %q: %w", t.Value, err)
		}
		return n, nil
	case op == ">":
		return linePattern(field, t.Value), nil
	}
	return tree.Contains(field, true, t.Value), nil
}

var hole = regexp.MustCompile(`<[A-Za-z_][A-Za-z0-9_]*>`)

// linePattern is the condition that a line is like a pattern, in which <_> stands for some text.
func linePattern(field, pattern string) tree.Node {
	parts := hole.Split(pattern, -1)
	var b strings.Builder
	b.WriteString("(?s)")
	for i, part := range parts {
		if i > 0 {
			b.WriteString(".+")
		}
		b.WriteString(regexp.QuoteMeta(part))
	}
	if parts[len(parts)-1] != "" {
		b.WriteString("$")
	}
	return tree.Leaf{Field: field, Mods: "re", Values: []string{b.String()}}
}

// addressExprs are regular expressions of the IPv4 addresses of ip(text): an address, a network or
// a range.
func addressExprs(text string) (list []string, err error) {
	networks := []string{text}
	if from, to, ok := strings.Cut(text, "-"); ok {
		networks, err = tree.Networks(strings.TrimSpace(from), strings.TrimSpace(to))
		if err != nil {
			return nil, err
		}
	}
	for _, n := range networks {
		expr, err := addressExpr(n)
		if err != nil {
			return nil, err
		}
		list = append(list, expr)
	}
	return list, nil
}

// addressExpr is a regular expression of the IPv4 addresses of a network.
func addressExpr(text string) (string, error) {
	network, err := netip.ParsePrefix(text)
	if a, single := netip.ParseAddr(text); single == nil {
		network, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || !network.Addr().Is4() {
		return "", fmt.Errorf(
			"ip(%q) in a filter of lines is translated for IPv4 networks only", text)
	}
	from := network.Masked().Addr().As4()
	octets := make([]string, 4)
	for i := range octets {
		free := 8*(i+1) - network.Bits()
		switch {
		case free <= 0:
			octets[i] = strconv.Itoa(int(from[i]))
		case free >= 8:
			octets[i] = `\d{1,3}`
		default:
			var list []string
			for n := range 1 << free {
				list = append(list, strconv.Itoa(int(from[i])+n))
			}
			octets[i] = "(?:" + strings.Join(list, "|") + ")"
		}
	}
	return `(?:^|[^\d.])` + strings.Join(octets, `\.`) + `(?:$|[^\d.]|\.\D|\.$)`, nil
}

func (p *pipeline) predicate(q logql.Predicate) (tree.Node, error) {
	switch q := q.(type) {
	case *logql.Joint:
		left, err := p.predicate(q.Left)
		if err != nil {
			return nil, err
		}
		right, err := p.predicate(q.Right)
		if err != nil {
			return nil, err
		}
		if q.Op == "or" {
			return tree.Any(left, right), nil
		}
		return tree.All(left, right), nil
	case *logql.Compare:
		return p.compare(q)
	}
	return nil, errors.New("a label filter is not understood")
}

func (p *pipeline) compare(c *logql.Compare) (tree.Node, error) {
	if c.Name == "__error__" || c.Name == "__error_details__" {
		if c.Op == "=" && c.Text == "" || p.failing && c.Op == "!=" && c.Text == "JSONParserErr" {
			p.parsed, p.failing = p.parsed || p.failing, false
			return nil, nil
		}
		return nil, errors.New("lines are chosen by __error__, which logs here do not have")
	}
	if p.gone(c.Name) {
		return nil, fmt.Errorf("a filter looks at %s, which drop or keep has removed", c.Name)
	}
	field := p.field(c.Name)
	switch {
	case c.IP:
		n, err := addresses(field, c.Text)
		if c.Op == "!=" && err == nil { // a line without the label is in neither
			n = tree.All(present(field), tree.Negate(n))
		}
		return n, err
	case !c.Number:
		return matches(field, c.Op, c.Text)
	}
	if slices.Contains(p.named, c.Name) {
		p.l.once(imports.Differs, "number-of-nothing",
			"in Loki a line without "+c.Name+" makes the rule fail for as long as it is in range, "+
				"since the parser names it and it is no number; here such a line does not pass")
	}
	number := func(mod string) tree.Node {
		return tree.Leaf{Field: field, Mods: mod, Values: []string{c.Text}}
	}
	switch c.Op {
	case ">":
		return number("gt"), nil
	case ">=":
		return number("gte"), nil
	case "<":
		return number("lt"), nil
	case "<=":
		return number("lte"), nil
	case "=", "==":
		return tree.All(number("gte"), number("lte")), nil
	case "!=":
		return tree.Any(number("gt"), number("lt")), nil
	}
	return nil, fmt.Errorf("%s does not go with numbers", c.Op)
}

// addresses is the condition that a field is an address within ip(text): an address, a network, or
// a range from-to.
func addresses(field, text string) (tree.Node, error) {
	if from, to, ok := strings.Cut(text, "-"); ok {
		list, err := tree.Networks(strings.TrimSpace(from), strings.TrimSpace(to))
		return tree.Leaf{Field: field, Mods: "cidr", Values: list}, err
	}
	if a, err := netip.ParseAddr(text); err == nil {
		text = netip.PrefixFrom(a, a.BitLen()).String()
	}
	if _, err := netip.ParsePrefix(text); err != nil {
		return nil, fmt.Errorf("ip(%q) is not an address, a network or a range", text)
	}
	return tree.Leaf{Field: field, Mods: "cidr", Values: []string{text}}, nil
}

// extraction adds an extraction to the rule.
func (l *lowering) extraction(x decode.Extraction) {
	if !slices.Contains(l.extractions, x) {
		l.extractions = append(l.extractions, x)
	}
}

// extract is the key extract of the rule.
func (l *lowering) extract() *yaml.Node {
	for _, kind := range []string{"json", "logfmt"} {
		if names := l.members[kind]; len(names) > 0 {
			l.extraction(
				decode.Extraction{From: "line", Method: kind, Text: strings.Join(names, ",")},
			)
		}
	}
	return ruler.Extract(l.extractions)
}
