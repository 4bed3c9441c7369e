package evaluator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Document is a log as an object of JSON, which is all that queries look at.
type Document struct {
	raw  string
	root node
}

// node is a value of JSON.
type node struct {
	kind    byte   // of s(tring), n(umber), b(oolean), 0 (null), a(rray), o(bject)
	text    string // of an object as it is written
	list    []node
	members map[string]node
}

// ReadDocument reads an object of JSON.
func ReadDocument(raw []byte) (*Document, error) {
	d := &Document{raw: string(raw)}
	if err := d.root.read(raw); err != nil {
		return nil, err
	}
	if d.root.kind != 'o' {
		return nil, fmt.Errorf("%s is no object", raw)
	}
	return d, nil
}

func (n *node) read(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	n.text = string(raw)
	switch raw[0] {
	case '{':
		n.kind = 'o'
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return err
		}
		n.members = map[string]node{}
		for name, raw := range members {
			var m node
			if err := m.read(raw); err != nil {
				return err
			}
			n.members[name] = m
		}
	case '[':
		n.kind = 'a'
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		for _, raw := range list {
			var m node
			if err := m.read(raw); err != nil {
				return err
			}
			n.list = append(n.list, m)
		}
	case '"':
		n.kind = 's'
		return json.Unmarshal(raw, &n.text)
	case 't', 'f':
		n.kind = 'b'
	case 'n':
		n.kind = '0'
	default:
		n.kind = 'n'
	}
	return nil
}

// aliases are the other names of fields of requests and errors.
var aliases = map[string][]string{
	"http.status": {"http.status_code", "http.response.status_code", "response.status",
		"status_code", "status"},
	"path":            {"url.path", "http.target", "request.path", "uri"},
	"method":          {"http.method", "http.request.method", "request_method"},
	"exception.class": {"exception.type", "error.type", "error.kind", "exceptionClass"},
	"user.name":       {"username", "user_name", "userName", "usr.name"},
	"source_ip":       {"source.ip", "client.ip", "client_ip", "src_ip", "remote_addr"},
	"duration_ms":     {"elapsed_ms", "latency_ms", "took_ms", "response_time_ms"},
}

// sameField are names of one field.
var sameField = map[string]string{
	"http.status_code": "http.status", "http.response.status_code": "http.status",
	"exception.type": "exception.class",
}

// wellKnown are fields that are not there when they are empty.
var wellKnown = []string{"message", "stack_trace", "service", "host", "level"}

// field is the value of a field; one that is null or absent is none.
func (d *Document) field(name string) (node, bool) {
	n, ok := d.find(name)
	if slices.Contains(wellKnown, name) && n.text == "" {
		trace, _ := d.find("stack_trace")
		if name != "message" || !strings.Contains(trace.text, "\n") { // one line is no trace
			return node{}, false
		}
		return node{kind: 's', text: exceptionOf(trace.text)}, true
	}
	if name == "level" { // as it is called, however the log spells it
		low := strings.ToLower(n.text)
		if n.text, ok = levelNames[ranks[low]]; strings.HasPrefix(low, "emerg") {
			n.text = "EMERGENCY"
		}
	}
	return n, ok
}

// exceptionOf is the line of a stack trace that names the exception: the first one, or the last one
// of Python's.
func exceptionOf(trace string) string {
	lines := strings.Split(strings.TrimSpace(trace), "\n")
	if strings.HasPrefix(lines[0], "Traceback (most recent call last)") {
		return lines[len(lines)-1]
	}
	return lines[0]
}

func (d *Document) find(name string) (node, bool) {
	if own, ok := strings.CutPrefix(name, "fields."); ok {
		return d.root.at(own)
	}
	if same, ok := sameField[name]; ok {
		name = same
	}
	for _, name := range append([]string{name}, aliases[name]...) {
		if n, ok := d.root.at(name); ok {
			return n, true
		}
	}
	return node{}, false
}

// at is the member at a path: a literal key with dots, or nested ones. In an array, all objects are
// looked into.
func (n node) at(path string) (node, bool) {
	if m, ok := n.direct(path); ok {
		return m, true
	}
	through := node{kind: 'a'}
	for i, c := range path {
		if c != '.' {
			continue
		}
		for _, m := range n.members[path[:i]].list {
			if m, ok := m.at(path[i+1:]); ok {
				through.list = append(through.list, m)
			}
		}
	}
	return through, len(through.list) > 0
}

func (n node) direct(path string) (node, bool) {
	if m, ok := n.members[path]; ok {
		return m, m.kind != '0'
	}
	for i, c := range path {
		if c == '.' {
			if m, ok := n.members[path[:i]]; ok {
				if m, ok = m.direct(path[i+1:]); ok {
					return m, true
				}
			}
		}
	}
	return node{}, false
}

// each are the values that are compared: the members of an array.
func (n node) each() (list []node) {
	if n.kind != 'a' {
		return []node{n}
	}
	for _, m := range n.list {
		if m.kind != '0' {
			list = append(list, m.each()...)
		}
	}
	return list
}

// all are all values within one, other than those that hold some.
func (n node) all() (list []node) {
	switch n.kind {
	case 'o':
		for _, m := range n.members {
			list = append(list, m.all()...)
		}
	case 'a':
		for _, m := range n.list {
			list = append(list, m.all()...)
		}
	case '0':
	default:
		list = []node{n}
	}
	return list
}

// values are those of a field that a term compares. That of no name are the texts of the log.
func (d *Document) values(field string) (list []node) {
	switch field {
	case "*":
		return d.root.all()
	case "raw":
		return []node{{kind: 's', text: d.raw}}
	case "":
		message, ok := d.field("message")
		if !ok {
			message = node{kind: 's', text: d.raw}
		}
		list = message.each()
		if stack, ok := d.field("stack_trace"); ok {
			list = append(list, stack.each()...)
		}
		return list
	}
	if n, ok := d.field(field); ok {
		return n.each()
	}
	return nil
}

// Search is whether a log satisfies a query.
type Search func(*Document) bool

// Lists are lists by their name.
type Lists map[string][]string

// of makes a term out of what must hold for one value of a field.
func of(field string, holds func(node) bool) Search {
	return func(d *Document) bool { return slices.ContainsFunc(d.values(field), holds) }
}

func not(s Search) Search { return func(d *Document) bool { return !s(d) } }

func anyOf(list []Search) Search {
	return func(d *Document) bool {
		return slices.ContainsFunc(list, func(s Search) bool { return s(d) })
	}
}

func allOf(list []Search) Search {
	return func(d *Document) bool {
		return !slices.ContainsFunc(list, func(s Search) bool { return !s(d) })
	}
}

// isTextField reports whether a value need only occur in a field.
func isTextField(field string) bool {
	return slices.Contains([]string{"", "*", "message", "line", "raw", "stack_trace"}, field)
}

// there reports whether a field is present and not null.
func there(field string) Search {
	return func(d *Document) bool {
		switch field {
		case "*":
			return len(d.root.all()) > 0
		case "raw":
			return true
		case "":
			return len(d.values("")) > 0
		case "level":
			return d.rank() > 0
		}
		_, ok := d.field(field)
		return ok
	}
}

// equals reports whether the whole value is a text, or the same number. A text with wildcards is a
// pattern.
func equals(pattern string, cased bool) func(node) bool {
	whole := patternOf("^", pattern, "$", cased)
	text, plain := withoutEscapes(pattern)
	return func(n node) bool {
		return whole.MatchString(n.text) || plain && sameNumber(n, text)
	}
}

var decimal = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)

// sameNumber reports whether a number of the log is that of a text.
func sameNumber(n node, text string) bool {
	if n.kind != 'n' || !decimal.MatchString(text) {
		return false
	}
	a, ok := new(big.Rat).SetString(n.text)
	b, ok2 := new(big.Rat).SetString(text)
	return ok && ok2 && a.Cmp(b) == 0
}

// occurs reports whether a text occurs in a value, which may have wildcards.
func occurs(pattern string, cased bool) func(node) bool {
	part := patternOf("", pattern, "", cased)
	return func(n node) bool { return part.MatchString(n.text) }
}

// patternOf is the expression of a text with wildcards, in which a backslash makes *, ? and a
// backslash ordinary.
func patternOf(before, pattern, after string, cased bool) *regexp.Regexp {
	flags := "(?is)"
	if cased {
		flags = "(?s)"
	}
	var b strings.Builder
	for escaped := false; pattern != ""; pattern = pattern[1:] {
		c := pattern[0]
		switch {
		case !escaped && c == '\\' && len(pattern) > 1:
			escaped = true
			continue
		case !escaped && c == '*':
			b.WriteString(".*")
		case !escaped && c == '?':
			b.WriteString(".")
		case c < 0x80:
			b.WriteString(regexp.QuoteMeta(string(rune(c))))
		default:
			b.WriteByte(c)
		}
		escaped = false
	}
	return expression(flags + before + b.String() + after)
}

// withoutEscapes is the text that a pattern stands for, when it has no wildcards.
func withoutEscapes(pattern string) (text string, plain bool) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteByte(pattern[i])
		case c == '*' || c == '?':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// ordinary is the pattern of only a text.
func ordinary(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(text)
}

// ranks are the words of levels.
var ranks = map[string]int{
	"trace": 1, "debug": 5, "info": 9, "information": 9, "notice": 10, "warn": 13, "warning": 13,
	"error": 17, "err": 17, "severe": 17, "critical": 18, "crit": 18, "alert": 19, "fatal": 21,
	"panic": 21, "emergency": 21, "emerg": 21,
}

var levelNames = map[int]string{
	1: "TRACE", 5: "DEBUG", 9: "INFO", 10: "NOTICE", 13: "WARN", 17: "ERROR", 18: "CRITICAL",
	19: "ALERT", 21: "FATAL",
}

// rank is that of the level of a log, 0 without one.
func (d *Document) rank() int {
	n, _ := d.field("level")
	return ranks[strings.ToLower(n.text)]
}

// comparison reports whether a number, or a level, compares so. Without an operator a level is
// equal.
func comparison(field, op, text string) (Search, error) {
	if field == "level" {
		rank, ok := ranks[strings.ToLower(text)]
		if !ok {
			return nil, fmt.Errorf("%q is no level", text)
		}
		if op == "" {
			op = "=="
		}
		return func(d *Document) bool {
			own := d.rank()
			return own > 0 && compare(op, whole(int64(own)), whole(int64(rank)))
		}, nil
	}
	bound, ok := readNumber(text)
	if !ok {
		return nil, fmt.Errorf("%q is no number", text)
	}
	return of(field, func(n node) bool {
		own, ok := n.number()
		return ok && compare(op, own, bound)
	}), nil
}

// number is that of a number or a text.
func (n node) number() (Number, bool) {
	if n.kind != 'n' && n.kind != 's' {
		return Number{}, false
	}
	return readNumber(n.text)
}

// inside reports whether an address is in a network.
func inside(network string) func(node) bool {
	return func(n node) bool { return addressIn(network, n.text) }
}

var portless = regexp.MustCompile(`^\[(.*)\](?::\d+)?$|^([\d.]+):\d+$`)

// addressIn reports whether a text is an address in a network: an IPv4 address may be written as
// one of IPv6, and have a port, brackets or a zone.
func addressIn(network, text string) bool {
	if m := portless.FindStringSubmatch(text); m != nil {
		text = m[1] + m[2]
	}
	prefix, err := netip.ParsePrefix(network)
	a, err2 := netip.ParseAddr(text)
	if err != nil || err2 != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	if of := prefix.Addr(); of.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(of.Unmap(), prefix.Bits()-96)
	}
	return prefix.Contains(a)
}

// member reports whether a value is in a list: equal to a member, in the network that one is, or
// like one with wildcards.
func member(list []string) func(node) bool {
	return func(n node) bool {
		return slices.ContainsFunc(list, func(m string) bool {
			return equals(mapPattern(m), false)(n) || addressIn(m, n.text)
		})
	}
}

// hasWords reports whether the words of a text occur in a row and whole.
func hasWords(text string) func(node) bool {
	wanted := words.FindAllString(text, -1)
	return func(n node) bool {
		own := words.FindAllString(n.text, -1)
		for i := range own {
			if i+len(wanted) <= len(own) &&
				slices.EqualFunc(own[i:i+len(wanted)], wanted, func(a, b string) bool {
					return strings.EqualFold(a, b)
				}) {
				return true
			}
		}
		return false
	}
}

var words = regexp.MustCompile(`[\p{L}\p{Nd}_]+`)

// matchesRegexp reports whether an expression matches somewhere.
func matchesRegexp(text string) (func(node) bool, error) {
	r, err := regexp.Compile(text)
	return func(n node) bool { return r.MatchString(n.text) }, err
}
