package alerting

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"
)

const (
	// maxWork bounds one execution of a template: the bytes of its text that are repeated by range,
	// and those of the texts that its functions make.
	maxWork = 256 << 10
	// stepCost is what a turn of a range costs beside its text.
	stepCost = 32
	// maxFormats bounds the verbs of a format, and maxPadding the sum of their widths.
	maxFormats, maxPadding = 64, maxAnnotation
)

// workError says what a template does that is too much.
type workError struct{ problem, hint string }

func (e *workError) Error() string { return e.problem + "; " + e.hint }

var errWork error = &workError{
	"repeats too much or makes texts that are too long",
	"show a part of it: {{ .Last.Message }} is the newest line, and a text ends after 4 KiB",
}

// templateWork counts the work of an execution of a template, so that one ends soon whatever an
// alert holds. Templates are executed while logs wait. It serves one execution at a time.
type templateWork struct {
	mu   sync.Mutex
	left int
}

// parse parses a template, and has it count.
func (w *templateWork) parse(name, source string) (*template.Template, error) {
	t, err := template.New(name).Funcs(w.functions()).Option("missingkey=zero").Parse(source)
	if err != nil {
		return nil, err
	}
	return t, w.count(t.Root)
}

// count has each range call step at the beginning of each turn.
func (w *templateWork) count(l *parse.ListNode) error {
	if l == nil {
		return nil
	}
	for _, n := range l.Nodes {
		var lists []*parse.ListNode
		switch n := n.(type) {
		case *parse.IfNode:
			lists = append(lists, n.List, n.ElseList)
		case *parse.WithNode:
			lists = append(lists, n.List, n.ElseList)
		case *parse.RangeNode:
			step := fmt.Sprintf("{{step %d}}", stepCost+len(n.List.String()))
			t, err := template.New("range").Funcs(w.functions()).Parse(step)
			if err != nil {
				return err
			}
			lists = append(lists, n.List, n.ElseList)
			defer func() { n.List.Nodes = append(t.Root.Nodes, n.List.Nodes...) }()
		}
		for _, l := range lists {
			if err := w.count(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// execute executes a template that parse has parsed, within what one execution may do.
func (w *templateWork) execute(t *template.Template, out io.Writer, data *templateData) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = maxWork
	return t.Execute(out, data)
}

func (w *templateWork) step(cost int) (string, error) {
	if w.left -= cost; w.left < 0 {
		return "", errWork
	}
	return "", nil
}

// text takes a text that a function has made: no more of it than an annotation may have.
func (w *templateWork) text(s string) (string, error) {
	if len(s) > maxAnnotation {
		s = s[:maxAnnotation] + "…"
	}
	_, err := w.step(len(s))
	return s, err
}

// functions are what templates may call; package rule knows the names of those that are ours. Those
// of text/template that make texts are replaced by ones that bound them.
func (w *templateWork) functions() template.FuncMap {
	text := func(f func(...any) string) func(...any) (string, error) {
		return func(args ...any) (string, error) { return w.text(f(args...)) }
	}
	ofString := func(f func(string) string) func(string) (string, error) {
		return func(s string) (string, error) { return w.text(f(s)) }
	}
	return template.FuncMap{
		"humanize": func(v any) (string, error) {
			return scaled(v, 1000, "", "k", "M", "G", "T", "P")
		},
		"humanize1024": func(v any) (string, error) {
			return scaled(v, 1024, "", "Ki", "Mi", "Gi", "Ti", "Pi")
		},
		"humanizeDuration":   humanizeDuration,
		"humanizePercentage": humanizePercentage,
		"toUpper":            ofString(strings.ToUpper),
		"toLower":            ofString(strings.ToLower),
		"title":              ofString(title),
		"join": func(sep string, v any) (string, error) {
			s, err := join(sep, v)
			if err != nil {
				return "", err
			}
			return w.text(s)
		},
		"print":    text(fmt.Sprint),
		"println":  text(fmt.Sprintln),
		"printf":   w.printf,
		"html":     text(template.HTMLEscaper),
		"js":       text(template.JSEscaper),
		"urlquery": text(template.URLQueryEscaper),
		"step":     w.step,
	}
}

func (w *templateWork) printf(format string, args ...any) (string, error) {
	verbs, padding := formatWork(format)
	if verbs > maxFormats || padding > maxPadding {
		return "", &workError{
			fmt.Sprintf("pads a text to more than %d bytes", maxPadding),
			"leave the width out of the format, or shorten it",
		}
	}
	return w.text(fmt.Sprintf(format, args...))
}

// formatWork is how many verbs a format has, and the sum of its numbers: widths and precisions. One
// that an argument gives is more than any.
func formatWork(format string) (verbs, padding int) {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		verbs++
		number := 0
	verb:
		for i++; i < len(format); i++ {
			switch c := format[i]; {
			case c >= '0' && c <= '9':
				number = min(number*10+int(c-'0'), maxPadding+1)
			case c == '*':
				padding = maxPadding + 1
			case c == '.' || c == '[' || c == ']':
				padding, number = padding+number, 0
			case strings.IndexByte("+-# ", c) < 0:
				break verb
			}
		}
		padding += number
	}
	return verbs, padding
}
