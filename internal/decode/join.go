package decode

import (
	"bytes"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// JoinConfig says which records are the lines of one event, such as a stack trace whose lines were
// shipped one by one. The zero JoinConfig joins nothing. Parts of a line that a container runtime
// split are joined wherever records are joined at all.
type JoinConfig struct {
	// patterns of lines that continue an event, by language: java, python, go, node, dotnet, ruby,
	// php
	Presets []string `yaml:"presets,omitempty"`
	// a line that begins an event; without continue and presets, all other lines continue it
	Start string `yaml:"start,omitempty"`
	// a line that continues an event
	Continue string `yaml:"continue,omitempty"`
	// an event has at most so many lines, 500 by default
	MaxLines int `yaml:"max_lines,omitempty"`
	// and so many bytes, 262144 by default
	MaxBytes int `yaml:"max_bytes,omitempty"`
	// how much later than the line before a line may be and still continue the event; 1s by default
	Wait time.Duration `yaml:"wait,omitempty"`
}

// joinPresets are the lines by which stack traces continue.
var joinPresets = map[string]string{
	"java": `^\s+(at\s|\.\.\. \d+ )|^\s*(Caused by|Suppressed): |^\s*\[CIRCULAR REFERENCE|^! |` +
		`^\t?([\p{L}_$][\p{L}\d_$]*\.)+[\p{L}_$][\p{L}\d_$]*(Exception|Error|Throwable|Failure)\b`,
	"python": `^\s+|^Traceback \(most recent call last\):|^During handling of the above exception|` +
		`^The above exception was the direct cause|` +
		`^([A-Za-z_]\w*\.)*[A-Z]\w*(Error|Exception|Warning|Interrupt|Exit|Iteration|Group)\b(:|$)|^$`,
	"go":     `^\s+|^goroutine \d+ |^created by |^\[signal |^exit status \d|^[\w./*()\-]+\(.*\)$|^$|^\t`,
	"node":   `^\s+|^[}\]]|^Caused by: |^Node\.js v|^$`,
	"dotnet": `^\s+|^---> |^([A-Z]\w*\.)+\w*Exception\b`,
	"ruby":   `^\s+(from\s|\d+: from\s)|^\s+\S+:\d+:in\s|^\s`,
	"php":    `^#\d+ |^Stack trace:|^\s+thrown in |^Next \S+: |^$`,
}

// JoinPresets are the names of the presets.
func JoinPresets() []string {
	names := make([]string, 0, len(joinPresets))
	for name := range joinPresets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// On reports whether records are joined.
func (c JoinConfig) On() bool { return len(c.Presets) > 0 || c.Start != "" || c.Continue != "" }

// joinRules is a parsed JoinConfig.
type joinRules struct {
	start, more *regexp.Regexp // nil for none
	maxLines    int
	maxBytes    int
	wait        time.Duration
}

func (c JoinConfig) compile() (r joinRules, err error) {
	r = joinRules{maxLines: 500, maxBytes: 256 << 10, wait: time.Second}
	if c.MaxLines != 0 {
		r.maxLines = c.MaxLines
	}
	if c.MaxBytes != 0 {
		r.maxBytes = c.MaxBytes
	}
	if c.Wait != 0 {
		r.wait = c.Wait
	}
	switch {
	case !c.On() && (c.MaxLines != 0 || c.MaxBytes != 0 || c.Wait != 0):
		return r, fmt.Errorf(
			"join: name a preset (%s), or start or continue",
			strings.Join(JoinPresets(), ", "),
		)
	case r.maxLines < 2 || r.maxLines > 10_000:
		return r, fmt.Errorf("join: max_lines is %d; it must be 2 to 10000", r.maxLines)
	case r.maxBytes < 1 || r.maxBytes > 4<<20:
		return r, fmt.Errorf("join: max_bytes is %d; it must be 1 to 4194304", r.maxBytes)
	case r.wait < 0 || r.wait > time.Minute:
		return r, fmt.Errorf("join: wait is %v; it must be at most 1m", r.wait)
	}
	var more []string
	for _, name := range c.Presets {
		if joinPresets[name] == "" {
			return r, fmt.Errorf(
				"join: preset %q is unknown; use one of %s",
				name,
				strings.Join(JoinPresets(), ", "),
			)
		}
		more = append(more, joinPresets[name])
	}
	if c.Continue != "" {
		more = append(more, c.Continue)
	}
	if len(more) > 0 {
		if r.more, err = regexp.Compile(strings.Join(more, "|")); err != nil {
			return r, fmt.Errorf("join: continue: %w", err)
		}
	}
	if c.Start != "" {
		if r.start, err = regexp.Compile(c.Start); err != nil {
			return r, fmt.Errorf("join: start: %w", err)
		}
	}
	return r, nil
}

// continuesIn is how much of a line says whether it continues an event. A record that waits is
// looked at again with those that follow, and expressions take longer than anything else.
const continuesIn = 64 << 10

// continues says whether a line continues an event.
func (r *joinRules) continues(line []byte) bool {
	line = line[:min(len(line), continuesIn)]
	if r.start != nil && r.start.Match(line) {
		return false
	}
	return r.more == nil || r.more.Match(line)
}

// Joiner joins records of one event. It keeps nothing from one call to the next, so what it does
// depends on the records alone. It is not safe for concurrent use.
//
// Records that wait are joined with those that follow at each poll. What was read of them is kept
// in a Waiting, so that each record is read once, however often it is polled.
type Joiner struct {
	rules joinRules
	d     *Decoder
	paths []FieldID // of which the values name the stream
	lines []joinLine
	one   joinLine
	n     int
	reads int // of records
}

// Waiting is what was read of the records of a partition that were not used. The zero Waiting is
// that of none.
type Waiting struct{ lines []joinLine }

// Keep forgets all records but the first n.
func (w *Waiting) Keep(n int) {
	clear(w.lines[min(n, len(w.lines)):])
	w.lines = w.lines[:min(n, len(w.lines))]
}

// joinPaths are fields by which streams that share a partition are known, and those that say
// that a line was split.
var joinPaths = []string{
	"log.file.path", "file", "filename", "stream",
	"logtag", "_p", "partial_message", "partial_last",
}

// NewJoiner returns a joiner, nil if the configuration joins nothing.
func NewJoiner(cfg Config) (*Joiner, error) {
	if !cfg.Join.On() {
		return nil, nil
	}
	rules, err := cfg.Join.compile()
	if err != nil {
		return nil, err
	}
	fields := NewFields(joinPaths...)
	d, err := New(cfg, fields)
	if err != nil {
		return nil, err
	}
	j := &Joiner{rules: rules, d: d}
	for _, path := range joinPaths[:4] {
		id, _ := fields.ID(path)
		j.paths = append(j.paths, id)
	}
	j.paths = append(j.paths, FieldHost, FieldNamespace, FieldPod, FieldContainer)
	return j, nil
}

// Wait is how long a record may have to wait for those that continue it.
func (j *Joiner) Wait() time.Duration { return j.rules.wait }

// Joined is an event: the records that begin and end it, and the value of all its records, nil if
// it has only the one.
type Joined struct {
	First, Last int
	Value       []byte
}

// joinLine is what is known of a record.
type joinLine struct {
	stream  string
	text    []byte
	at      int64
	insert  int  // where lines are added in the value
	cut     int  // bytes of the value that are left out there: the end of a line
	json    bool // they are added to a string of JSON
	alone   bool // it is joined with nothing
	more    bool // it continues the line before it
	partial bool // its line is continued by the next record
}

type joinEvent struct {
	members []int
	bytes   int
	partial bool
}

// Records wait for others up to this number and size. Beyond them no event is waited for: lines of
// one instant in many streams, or with times that stand still, would fill the memory.
const (
	maxWaiting      = 20_000
	maxWaitingBytes = 4 << 20
)

// Join joins records of one partition, in their order, and returns the events in the order of their
// first records. It uses only so many of the records that no event goes beyond them and none of
// them can be continued by later ones; all of them if flush is set. To go on, call it with the
// records that were not used and those that follow.
func (j *Joiner) Join(records []models.Record, flush bool) (out []Joined, used int) {
	return j.JoinWaiting(&Waiting{}, records, flush)
}

// JoinWaiting is Join of records of which the first were read before. Of those that it does not use
// w has what was read, afterwards.
func (j *Joiner) JoinWaiting(
	w *Waiting, records []models.Record, flush bool,
) (out []Joined, used int) {
	j.lines = append(j.lines[:0], w.lines...)
	known := len(j.lines)
	defer func() {
		w.lines = slices.Clone(j.lines[used:])
		clear(j.lines) // which hold texts
	}()
	var events []joinEvent
	open := map[string]int{}
	var newest []int // records of which none behind is later, by their times descending
	wait := int64(j.rules.wait)
	for i := range records {
		if i >= known {
			j.lines = append(j.lines, j.read(&records[i]))
		}
		line := j.lines[i]
		for len(newest) > 0 && j.lines[newest[len(newest)-1]].at <= line.at {
			newest = newest[:len(newest)-1]
		}
		newest = append(newest, i)
		at, ok := open[line.stream]
		if ok && !line.alone {
			e := &events[at]
			last := e.members[len(e.members)-1]
			if (e.partial || line.more) && len(e.members) < j.rules.maxLines &&
				e.bytes+len(line.text) <= j.rules.maxBytes &&
				j.latest(newest, last)-j.lines[last].at <= wait {
				e.members = append(e.members, i)
				e.bytes, e.partial = e.bytes+len(line.text)+1, line.partial
				continue
			}
		}
		open[line.stream] = len(events)
		if line.alone {
			delete(open, line.stream)
		}
		events = append(events, joinEvent{[]int{i}, len(line.text), line.partial})
	}
	used = len(records)
	if !flush {
		for _, at := range open {
			e := &events[at]
			if last := e.members[len(e.members)-1]; j.latest(
				newest,
				last,
			)-j.lines[last].at <= wait {
				used = min(used, e.members[0])
			}
		}
		for i := len(events) - 1; i >= 0; i-- { // no event may go beyond
			if m := events[i].members; m[0] < used && m[len(m)-1] >= used {
				used = m[0]
			}
		}
		if tooManyWait(records[used:]) {
			used = len(records)
		}
	}
	for i := range events {
		if m := events[i].members; m[0] < used {
			out = append(out, Joined{m[0], m[len(m)-1], j.join(records, m)})
		}
	}
	return out, used
}

func tooManyWait(records []models.Record) bool {
	size := 0
	for i := range records {
		size += len(records[i].Value)
	}
	return len(records) > maxWaiting || size > maxWaitingBytes
}

// latest is the latest time of the records from one on.
func (j *Joiner) latest(newest []int, from int) int64 {
	i := sort.SearchInts(newest, from)
	return j.lines[newest[i]].at
}

// join returns the value of an event, nil if it is that of its only record.
func (j *Joiner) join(records []models.Record, members []int) []byte {
	if len(members) == 1 {
		return nil
	}
	first := &j.lines[members[0]]
	var text []byte
	for k, i := range members[1:] {
		if !j.lines[members[k]].partial {
			text = append(text, '\n')
		}
		text = append(text, j.lines[i].text...)
	}
	if first.json {
		quoted := jsonscan.AppendQuoted(nil, text)
		text = quoted[1 : len(quoted)-1]
	}
	value := records[members[0]].Value
	out := append(make([]byte, 0, len(value)+len(text)), value[:first.insert-first.cut]...)
	return append(append(out, text...), value[first.insert:]...)
}

// read finds the line of a record, and its stream.
func (j *Joiner) read(rec *models.Record) joinLine {
	j.reads++
	j.one, j.n = joinLine{alone: true, at: rec.Timestamp.UnixNano()}, 0
	j.d.Decode(rec, func(l *Log) {
		if j.n++; j.n == 1 {
			j.line(l, rec.Value)
		}
	}, func(r Reason, _ string) {
		if j.n++; r == Empty { // a line all the same
			j.one.alone, j.one.stream = false, strings.Repeat("\x00", len(j.paths))
			return
		}
		j.n = 2
	})
	if j.n != 1 {
		j.one.alone = true
	}
	if !j.one.alone {
		j.one.more = j.rules.continues(j.one.text)
	}
	return j.one
}

func (j *Joiner) line(l *Log, value []byte) {
	out := &j.one
	for _, id := range j.paths {
		out.stream += string(l.Value(id).Text) + "\x00"
	}
	if len(value) == 0 {
		return
	}
	if l.format == "text" || !startsJSON(trim(value)) {
		out.insert = len(bytes.TrimRight(value, "\r\n"))
		out.text = bytes.Clone(value[:out.insert])
		out.alone = false
		if l.format == "cri" {
			_, rest, _ := bytes.Cut(out.text, []byte(" "))
			_, rest, _ = bytes.Cut(rest, []byte(" "))
			tag, text, _ := bytes.Cut(rest, []byte(" "))
			out.text, out.partial = text, len(tag) > 0 && tag[0] == 'P'
		}
		if strings.HasPrefix(l.format, "syslog") {
			out.text = lineBehindHeader(out.text, l.Value(FieldMessage).Text)
		}
		return
	}
	if len(l.root.Doc) == 0 || &l.root.Doc[0] != &value[0] {
		return // the line does not stand in the value as it is
	}
	s, at := l.in(l.root).message()
	if at == jsonscan.NoSlot || s.Kind != String {
		return
	}
	out.text = jsonscan.AppendText(nil, value[s.Start:s.End], s.Flags)
	out.insert, out.json, out.alone = int(s.End), true, false
	ended := bytes.HasSuffix(out.text, []byte("\n"))
	if ended {
		out.text = bytes.TrimRight(out.text, "\r\n")
		for _, end := range []string{`\n`, `\r`} {
			if bytes.HasSuffix(value[:out.insert-out.cut], []byte(end)) {
				out.cut += 2
			}
		}
	}
	is := func(path, want string) bool {
		id, _ := l.d.fields.ID(path)
		return string(l.Value(id).Text) == want
	}
	switch {
	case is("logtag", "P"),
		is("_p", "P"),
		is("partial_message", "true") && !is("partial_last", "true"):
		out.partial = true
	case at == l.d.plan.hints.logText && !ended && len(out.text) >= dockerPart &&
		!is("logtag", "F") && !is("_p", "F"):
		out.partial = true
	}
}

// lineBehindHeader is the message of a line of syslog with the blanks that it begins with.
func lineBehindHeader(line, message []byte) []byte {
	start := len(line) - len(message)
	if start <= 0 || !bytes.HasSuffix(line, message) {
		return line
	}
	for line[start-1] == ' ' || line[start-1] == '\t' {
		if start--; start == 0 {
			return line
		}
	}
	return bytes.TrimPrefix(line[start:], []byte(" "))
}

// dockerPart is about the length at which Docker splits lines; each part but the last has no
// newline.
const dockerPart = 16 << 10

// JoinSamples joins the records of samples, each partition's by the configuration of its topic.
func JoinSamples(
	samples iter.Seq2[Sample, error],
	of func(topic string) Config,
) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		joiners := map[string]*Joiner{}
		waiting := map[models.Partition][]Sample{}
		var order []models.Partition
		join := func(p models.Partition, flush bool) bool {
			list := waiting[p]
			records := make([]models.Record, len(list))
			for i := range list {
				records[i] = list[i].Record
			}
			events, used := joiners[p.Topic].Join(records, flush)
			for _, e := range events {
				s := list[e.First]
				if e.Value != nil {
					s.Value = e.Value
				}
				if !yield(s, nil) {
					return false
				}
			}
			waiting[p] = slices.Clone(list[used:])
			return true
		}
		for s, err := range samples {
			j, known := joiners[s.Topic]
			if err == nil && !known {
				j, err = NewJoiner(of(s.Topic))
				joiners[s.Topic] = j
			}
			if err != nil || j == nil {
				if !yield(s, err) {
					return
				}
				continue
			}
			p := models.Partition{Topic: s.Topic, Partition: s.Partition}
			if waiting[p] == nil {
				order = append(order, p)
			}
			if waiting[p] = append(waiting[p], s); len(waiting[p])%joinEvery == 0 &&
				!join(p, false) {
				return
			}
		}
		for _, p := range order {
			if len(waiting[p]) > 0 && !join(p, true) {
				return
			}
		}
	}
}

// joinEvery is after how many records of a partition events are looked for.
const joinEvery = 500
