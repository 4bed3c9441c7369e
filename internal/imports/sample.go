package imports

import (
	"unicode"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// Sample is what some logs show of their fields. It decides what rules leave open: which names
// exist, and whether a field holds a text or a keyword.
type Sample struct {
	Logs   int
	Fields map[string]*Field // by path
}

// Field is what the logs of a sample show of one field.
type Field struct {
	Logs    int // that have it
	Texts   int // whose value is a text
	Several int // whose value is a text of several words
}

// maxFields bounds the fields that a sample counts.
const maxFields = 10_000

// NewSample returns an empty sample.
func NewSample() *Sample { return &Sample{Fields: map[string]*Field{}} }

// Add adds a log.
func (s *Sample) Add(l *decode.Log) {
	s.Logs++
	e := l.Entry()
	for name, value := range map[string]string{
		"message": e.Message, "service": e.Service, "namespace": e.Namespace, "host": e.Host,
	} {
		if value != "" {
			s.note(name, value)
		}
	}
	s.tree("", e.Fields, 0)
}

func (s *Sample) tree(prefix string, fields map[string]any, depth int) {
	for key, value := range fields {
		if below, ok := value.(map[string]any); ok && len(below) > 0 && depth < 20 {
			s.tree(prefix+key+".", below, depth+1)
			continue
		}
		s.note(prefix+key, value)
	}
}

func (s *Sample) note(name string, value any) {
	f := s.Fields[name]
	if f == nil {
		if len(s.Fields) >= maxFields {
			return
		}
		f = &Field{}
		s.Fields[name] = f
	}
	f.Logs++
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	if text, ok := value.(string); ok {
		f.Texts++
		if Words(text) > 1 {
			f.Several++
		}
	}
}

// Words counts the words of a text: runs of letters, digits and _.
func Words(text string) (n int) {
	inside := false
	for _, r := range text {
		word := r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
		if word && !inside {
			n++
		}
		inside = word
	}
	return n
}
