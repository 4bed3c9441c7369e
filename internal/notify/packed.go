package notify

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A hundred thousand alerts may fire at once, and nothing is to be notified of nearly all of them.
// So an alert of a state is kept as one string, a third of what the struct with its maps takes, and
// less than half of its JSON. What is in memory is part of what is on disk: the packed alerts of a
// state are parts of the value that the write-ahead log holds. A string of it that is kept
// elsewhere is cloned, since it would keep the whole value.

// packedAlert is a transition in its compact form. What is needed often are fields.
type packedAlert struct {
	ID, Rule, Severity string
	State              models.AlertState
	At                 time.Time
	Home               models.Partition

	whole string
}

// pack makes a packed alert, which shares nothing with the alert.
func pack(a models.Alert) packedAlert {
	var p packer
	p.alert(&a)
	out, _ := unpackHead(string(p))
	return out
}

// unpackHead reads the fields of a packed alert, which share its memory.
func unpackHead(whole string) (p packedAlert, err error) {
	u := unpacker{rest: whole}
	u.head(&p)
	p.whole = whole
	return p, u.err
}

// alert is the whole alert. Its strings share the memory of the packed one, its maps do not.
func (p *packedAlert) alert() (a models.Alert) {
	if p.whole != "" {
		u := unpacker{rest: p.whole}
		u.alert(&a)
	}
	return a
}

// MarshalJSON writes the whole alert, as other members of a group read it. JSON has no infinite
// and undefined numbers.
func (p packedAlert) MarshalJSON() ([]byte, error) {
	a := p.alert()
	a.Value, a.Peak, a.FiredValue = finite(a.Value), finite(a.Peak), finite(a.FiredValue)
	return json.Marshal(a)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *packedAlert) UnmarshalJSON(text []byte) error {
	var a models.Alert
	if err := json.Unmarshal(text, &a); err != nil {
		return err
	}
	*p = pack(a)
	return nil
}

// packedLabels are labels in their compact form.
type packedLabels string

func packLabels(set model.LabelSet) packedLabels {
	var p packer
	p.uint(uint64(len(set)))
	pairs(&p, set)
	return packedLabels(p)
}

// pairs writes names and values of a map, sorted by name.
func pairs[N, V ~string](p *packer, m map[N]V) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		p.text(string(name))
		p.text(string(m[name]))
	}
}

// set is the labels in a map of its own.
func (l packedLabels) set() model.LabelSet {
	u := unpacker{rest: string(l)}
	n := u.count()
	set := make(model.LabelSet, n)
	for range n {
		name := u.text()
		set[model.LabelName(name)] = model.LabelValue(u.text())
	}
	return set
}

// get is the value of one label.
func (l packedLabels) get(name string) string {
	u := unpacker{rest: string(l)}
	for range u.count() {
		if n, v := u.text(), u.text(); n == name {
			return v
		}
	}
	return ""
}

// MarshalJSON writes an object.
func (l packedLabels) MarshalJSON() ([]byte, error) { return json.Marshal(l.set()) }

// UnmarshalJSON reads an object.
func (l *packedLabels) UnmarshalJSON(text []byte) error {
	var set model.LabelSet
	if err := json.Unmarshal(text, &set); err != nil {
		return err
	}
	*l = packLabels(set)
	return nil
}

// packedState is the first byte of a packed state; that of JSON, which earlier versions wrote and
// members of a group exchange, is a brace.
const packedState = 1

// pack encodes a state, whose labels and alerts are parts of the result from then on.
func (s *state) pack() string {
	p := packer{packedState}
	p.text(string(s.Labels))
	p.uint(uint64(len(s.Notified)))
	for _, destination := range slices.Sorted(maps.Keys(s.Notified)) {
		n := s.Notified[destination]
		p.text(destination)
		p.uint(n.N)
		p.text(n.ID)
		p.text(string(n.State))
		p.time(n.At)
	}
	p.uint(uint64(len(s.Steps)))
	ends := make([]int, len(s.Steps))
	for i := range s.Steps {
		t := &s.Steps[i]
		p.uint(t.N)
		p.time(t.Since)
		p.time(t.Until)
		p.int(int64(t.Merged))
		p.uint(uint64(len(t.MergedIDs)))
		for _, id := range t.MergedIDs {
			p.text(id)
		}
		p.time(t.MergedSince)
		p.uint(uint64(len(t.Muted)))
		for _, route := range slices.Sorted(maps.Keys(t.Muted)) {
			p.text(route)
			p.bool(t.Muted[route])
		}
		p.text(t.Alert.whole)
		ends[i] = len(p)
	}
	value := string(p)
	u := unpacker{rest: value[1:]}
	s.Labels = packedLabels(u.text())
	for i, end := range ends {
		one := &s.Steps[i].Alert
		*one, _ = unpackHead(value[end-len(one.whole) : end])
	}
	return value
}

// unpackState reads a packed state, or one that is JSON.
func unpackState(value string) (*state, error) {
	s := &state{}
	if strings.HasPrefix(value, "{") {
		if err := json.Unmarshal([]byte(value), s); err != nil {
			return nil, err
		}
		return s, s.check()
	}
	u := unpacker{rest: value}
	if u.byte() != packedState {
		return nil, errPacked
	}
	s.Labels = packedLabels(u.text())
	s.Notified = u.progress()
	for range u.count() {
		t := step{N: u.uint(), Since: u.time(), Until: u.time(), Merged: int(u.int())}
		for range u.count() {
			t.MergedIDs = append(t.MergedIDs, u.text())
		}
		t.MergedSince = u.time()
		for range u.count() {
			if t.Muted == nil {
				t.Muted = map[string]bool{}
			}
			t.Muted[u.text()] = u.bool()
		}
		t.Alert.whole = u.text()
		inner := unpacker{rest: t.Alert.whole, checks: true}
		var a models.Alert
		inner.alert(&a)
		inner.end()
		u.err = errors.Join(u.err, inner.err)
		if u.err != nil {
			return nil, u.err
		}
		t.Alert = packedAlert{a.ID, a.Rule, a.Severity, a.State, a.At, a.Home, t.Alert.whole}
		s.Steps = append(s.Steps, t)
	}
	labels := unpacker{rest: string(s.Labels)}
	for range labels.count() {
		labels.text()
		labels.text()
	}
	labels.end()
	u.end()
	if err := errors.Join(u.err, labels.err); err != nil {
		return nil, err
	}
	return s, s.check()
}

// check says what is wrong with a state that was read.
func (s *state) check() error {
	labels := unpacker{rest: string(s.Labels)}
	if len(s.Steps) == 0 || labels.count() == 0 {
		return errors.New("it has no steps or labels; it is of an older version")
	}
	return nil
}

var errPacked = errors.New("it is cut short or damaged")

// packer writes values one after the other.
type packer []byte

func (p *packer) uint(n uint64)    { *p = binary.AppendUvarint(*p, n) }
func (p *packer) int(n int64)      { *p = binary.AppendVarint(*p, n) }
func (p *packer) text(text string) { p.uint(uint64(len(text))); *p = append(*p, text...) }

func (p *packer) float(v float64) {
	*p = binary.LittleEndian.AppendUint64(*p, math.Float64bits(v))
}

func (p *packer) bool(v bool) {
	if v {
		*p = append(*p, 1)
		return
	}
	*p = append(*p, 0)
}

// time writes seconds and nanoseconds, since nanoseconds alone do not reach the zero time.
func (p *packer) time(t time.Time) {
	p.int(t.Unix())
	p.uint(uint64(t.Nanosecond()))
}

// texts writes a map. One that is nil stays nil.
func (p *packer) texts(m map[string]string) {
	if m == nil {
		p.uint(0)
		return
	}
	p.uint(uint64(len(m)) + 1)
	pairs(p, m)
}

func (p *packer) alert(a *models.Alert) {
	p.text(a.ID)
	p.text(a.Rule)
	p.text(a.Severity)
	p.text(string(a.State))
	p.time(a.At)
	p.text(a.Home.Topic)
	p.int(int64(a.Home.Partition))
	p.int(a.Episode)
	p.text(a.Reason)
	p.texts(a.Labels)
	p.texts(a.Annotations)
	p.float(a.Value)
	p.text(a.Threshold)
	p.float(a.FiredValue)
	p.float(a.Peak)
	p.time(a.StartsAt)
	p.time(a.EndsAt)
	p.int(a.Count)
	p.lines(a.First)
	p.lines(a.Last)
	p.uint(uint64(len(a.Top)))
	for _, field := range slices.Sorted(maps.Keys(a.Top)) {
		p.text(field)
		p.uint(uint64(len(a.Top[field])))
		for _, v := range a.Top[field] {
			p.text(v.Value)
			p.int(v.Count)
		}
	}
	p.text(a.Source)
	for _, v := range []bool{a.Late, a.Withdrawn, a.Historical, a.Signal, a.Shadow} {
		p.bool(v)
	}
}

func (p *packer) lines(list []models.Line) {
	p.uint(uint64(len(list)))
	for i := range list {
		l := &list[i]
		p.time(l.Time)
		p.text(l.Level)
		p.text(l.Service)
		p.text(l.Message)
		p.texts(l.Fields)
		p.text(l.Position.Topic)
		p.int(int64(l.Position.Partition))
		p.int(l.Position.Offset)
		p.int(int64(l.Position.Index))
	}
}

// unpacker reads what packer writes. After an error it reads zero values.
type unpacker struct {
	rest   string
	err    error
	checks bool // it reads maps and lists without keeping them
}

func (u *unpacker) fail() {
	u.rest, u.err = "", errPacked
}

// end says that nothing is to follow.
func (u *unpacker) end() {
	if u.rest != "" {
		u.fail()
	}
}

func (u *unpacker) byte() byte {
	if u.rest == "" {
		u.fail()
		return 0
	}
	b := u.rest[0]
	u.rest = u.rest[1:]
	return b
}

func (u *unpacker) bool() bool { return u.byte() != 0 }

func (u *unpacker) uint() (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := u.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	u.fail()
	return 0
}

func (u *unpacker) int() int64 {
	n := u.uint()
	return int64(n>>1) ^ -int64(n&1)
}

// count is how many values follow, each of at least one byte.
func (u *unpacker) count() int {
	n := u.uint()
	if n > uint64(len(u.rest)) {
		u.fail()
		return 0
	}
	return int(n)
}

func (u *unpacker) text() string {
	n := u.count()
	text := u.rest[:n]
	u.rest = u.rest[n:]
	return text
}

// state reads the state of an alert, which is kept in many places.
func (u *unpacker) state() models.AlertState {
	switch state := models.AlertState(u.text()); state {
	case models.AlertFiring:
		return models.AlertFiring
	case models.AlertResolved:
		return models.AlertResolved
	default:
		return models.AlertState(strings.Clone(string(state)))
	}
}

func (u *unpacker) float() float64 {
	if len(u.rest) < 8 {
		u.fail()
		return 0
	}
	bits := binary.LittleEndian.Uint64([]byte(u.rest[:8]))
	u.rest = u.rest[8:]
	return math.Float64frombits(bits)
}

func (u *unpacker) time() time.Time {
	seconds, nanoseconds := u.int(), u.uint()
	if u.err != nil || nanoseconds >= 1e9 {
		u.fail()
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanoseconds)).UTC()
}

func (u *unpacker) texts() map[string]string {
	n := u.count()
	if n == 0 {
		return nil
	}
	var m map[string]string
	if !u.checks {
		m = make(map[string]string, min(n-1, 64)) // a damaged value may promise very many
	}
	for range n - 1 {
		name, value := u.text(), u.text()
		if u.err != nil {
			return nil
		}
		if m != nil {
			m[name] = value
		}
	}
	return m
}

func (u *unpacker) progress() (m map[string]progress) {
	for range u.count() {
		if m == nil {
			m = map[string]progress{}
		}
		destination := strings.Clone(u.text())
		m[destination] = progress{
			N: u.uint(), ID: strings.Clone(u.text()), State: u.state(), At: u.time(),
		}
	}
	return m
}

func (u *unpacker) head(p *packedAlert) {
	p.ID, p.Rule, p.Severity = u.text(), u.text(), u.text()
	p.State, p.At = u.state(), u.time()
	p.Home.Topic, p.Home.Partition = u.text(), int32(u.int())
}

func (u *unpacker) alert(a *models.Alert) {
	var p packedAlert
	u.head(&p)
	a.ID, a.Rule, a.Severity, a.State, a.At, a.Home = p.ID, p.Rule, p.Severity, p.State, p.At,
		p.Home
	a.Episode, a.Reason = u.int(), u.text()
	a.Labels, a.Annotations = u.texts(), u.texts()
	a.Value, a.Threshold, a.FiredValue, a.Peak = u.float(), u.text(), u.float(), u.float()
	a.StartsAt, a.EndsAt, a.Count = u.time(), u.time(), u.int()
	a.First, a.Last = u.lines(), u.lines()
	for range u.count() {
		if a.Top == nil {
			a.Top = map[string][]models.TopValue{}
		}
		field := u.text()
		var list []models.TopValue
		for range u.count() {
			if v := (models.TopValue{Value: u.text(), Count: u.int()}); !u.checks {
				list = append(list, v)
			}
		}
		if u.err != nil {
			return
		}
		a.Top[field] = list
	}
	a.Source = u.text()
	for _, v := range []*bool{&a.Late, &a.Withdrawn, &a.Historical, &a.Signal, &a.Shadow} {
		*v = u.bool()
	}
}

func (u *unpacker) lines() (list []models.Line) {
	for range u.count() {
		line := models.Line{
			Time: u.time(), Level: u.text(), Service: u.text(), Message: u.text(),
			Fields: u.texts(),
			Position: models.Position{
				Topic: u.text(), Partition: int32(u.int()), Offset: u.int(), Index: int(u.int()),
			},
		}
		if u.err != nil {
			return nil
		}
		if !u.checks {
			list = append(list, line)
		}
	}
	return list
}
