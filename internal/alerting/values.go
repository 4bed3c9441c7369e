package alerting

// Values samples the values of the conditions of some rules: after every match of a rule, the value
// of the match's group. They help to choose a threshold. Each rule keeps some two thousand of them,
// evenly spread over all matches. Counts beyond some thousands are too low, since a group keeps no
// more logs than its condition needs.
type Values struct{ rules map[string]*valueSample }

const maxValues = 2048

// valueSample is every so manieth of a sequence whose end is not known.
type valueSample struct {
	list  []float64
	every int
	seen  int
}

// next reports whether the next one is to be kept. When there is no room, every other one makes
// some.
func (s *valueSample) next() bool {
	if len(s.list) == maxValues {
		for i := range maxValues / 2 {
			s.list[i] = s.list[2*i+1]
		}
		s.list, s.every = s.list[:maxValues/2], 2*s.every
	}
	s.seen++
	return s.seen%s.every == 0
}

// NewValues notes the values of rules, by their IDs.
func NewValues(ids ...string) *Values {
	v := &Values{rules: make(map[string]*valueSample)}
	for _, id := range ids {
		v.rules[id] = &valueSample{every: 1}
	}
	return v
}

// Of returns the values of a rule. They are to be read when the engine is no longer fed.
func (v *Values) Of(id string) []float64 {
	if s := v.rules[id]; s != nil {
		return s.list
	}
	return nil
}

// WithValues samples values. It is for backtests: some conditions must be computed again for each
// value.
func WithValues(v *Values) Option { return func(o *options) { o.values = v } }

func (m *machine) sampleValue(at int64) {
	if s := m.u.values; s.next() {
		if v := m.g.win.Value(m.u.condition, at, m.env()); v == v {
			s.list = append(s.list, v)
		}
	}
}
