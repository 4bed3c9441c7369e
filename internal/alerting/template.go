package alerting

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	maxAnnotation = 4096 // bytes of an annotation
	maxFailure    = 300  // characters of the error of a template
)

// textTemplate is a label or annotation of a rule: constant, or a template.
type textTemplate struct {
	name     string
	constant string
	template *template.Template
	work     *templateWork
	err      error
}

func newTextTemplate(name, source string) textTemplate {
	t := textTemplate{name: name, constant: source}
	if strings.Contains(source, "{{") {
		t.work = new(templateWork)
		t.template, t.err = t.work.parse(name, source)
	}
	return t
}

// expand executes the template. One that fails yields a text that says so: what is wrong with a
// text about an alert must not keep the alert from being sent.
func (t *textTemplate) expand(data *templateData) string {
	if t.err == nil && t.template == nil {
		return t.constant
	}
	out := bounded{most: maxAnnotation}
	err := t.err
	if err == nil {
		err = t.work.execute(t.template, &out, data)
	}
	if err != nil && !errors.Is(err, errTooLong) {
		// The error may show all of the data, which is megabytes.
		return fmt.Sprintf("the template of %s failed: %s", t.name,
			safetext.Clip(strings.TrimPrefix(err.Error(), "template: "), maxFailure))
	}
	return strings.ToValidUTF8(out.String(), "\uFFFD")
}

var errTooLong = errors.New("text is too long")

// bounded is a writer that takes at most so many bytes.
type bounded struct {
	strings.Builder
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		b.Builder.Write(p[:b.most-b.Len()])
		b.WriteString("…")
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

// templateData is what templates see.
type templateData struct {
	Rule, Group, Name string
	Labels            map[string]string // the alert's
	State             models.AlertState
	Severity          string
	Reason            string
	// The value at the transition; of an alert that is resolved the peak, since texts say what an
	// alert was about.
	Value          number
	Current        number // the value at the transition, also of an alert that is resolved
	FiredValue     number // when the alert fired
	Peak           number // the value that was furthest beyond the threshold
	Duration       time.Duration
	Threshold      string
	Count          int64
	Window         time.Duration
	Start, At, End time.Time
	First, Last    lines
	Top            map[string][]models.TopValue
	Late           bool
}

// number is a value as it is usually written: 11 and not 1.1e+01.
type number float64

func (n number) String() string {
	v := float64(n)
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// lines are the lines that an alert shows. The methods answer for the first of them, or with
// nothing, so that {{ .Last.Message }} needs no test.
type lines []models.Line

// Message is the message of the first line.
func (l lines) Message() string { return l.line().Message }

// Service is the service of the first line.
func (l lines) Service() string { return l.line().Service }

// Level is the level of the first line.
func (l lines) Level() string { return l.line().Level }

// Time is the event time of the first line.
func (l lines) Time() time.Time { return l.line().Time }

// Fields are the further fields of the first line that the rule asks for.
func (l lines) Fields() map[string]string { return l.line().Fields }

// Position is where the first line stands.
func (l lines) Position() models.Position { return l.line().Position }

func (l lines) line() models.Line {
	if len(l) == 0 {
		return models.Line{}
	}
	return l[len(l)-1]
}

var unknownField = regexp.MustCompile(`<(.+)>: can't evaluate field (\w+)`)

// templateProblems executes templates for an empty alert, and reports what they ask for
// that no alert has, and those that do too much. What else fails may be due to the empty sample.
func templateProblems(
	r *rule.Rule, kind string, templates map[string]string,
) (errs problem.List) {
	sample := &templateData{
		Labels: map[string]string{},
		Window: r.Window,
		First:  lines{{}},
		Last:   lines{{}},
	}
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		t := newTextTemplate(name, templates[name])
		if t.template == nil || t.err != nil {
			continue
		}
		err := t.work.execute(t.template, io.Discard, sample)
		if err == nil {
			continue
		}
		if e, ok := errors.AsType[*workError](err); ok {
			errs = append(errs, &problem.Error{
				Pos:     r.Pos,
				Problem: fmt.Sprintf("%s %s %s", kind, name, e.problem),
				Hint:    e.hint,
			})
		} else if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
			errs = append(errs, &problem.Error{
				Pos: r.Pos,
				Problem: fmt.Sprintf(
					"%s %s asks for %s, and there is no %s", kind, name, m[1], m[2]),
				Hint: "known are .Labels, .Value, .Current, .FiredValue, .Peak, .Duration, " +
					".Threshold, .Count, .Reason, .First, .Last, .Top, " +
					".Start, .At, .End, .Window, .State, .Severity, .Rule, .Group, .Name and .Late",
			})
		}
	}
	return errs
}

func toFloat(v any) (float64, error) {
	switch r := reflect.ValueOf(v); {
	case r.CanFloat():
		return r.Float(), nil
	case r.CanInt():
		return float64(r.Int()), nil
	case r.Kind() == reflect.String:
		return strconv.ParseFloat(r.String(), 64)
	}
	return 0, fmt.Errorf("%v is not a number", v)
}

func scaled(v any, base float64, units ...string) (string, error) {
	f, err := toFloat(v)
	if err != nil {
		return "", err
	}
	i := 0
	for i+1 < len(units) && math.Abs(f) >= base {
		f /= base
		i++
	}
	return strconv.FormatFloat(f, 'g', 4, 64) + units[i], nil
}

func humanizeDuration(v any) (string, error) {
	if d, ok := v.(time.Duration); ok {
		return duration.Format(d), nil
	}
	f, err := toFloat(v)
	if err != nil {
		return "", err
	}
	return duration.Format(time.Duration(f * float64(time.Second))), nil
}

func humanizePercentage(v any) (string, error) {
	f, err := toFloat(v)
	if err != nil {
		return "", err
	}
	return strconv.FormatFloat(f*100, 'g', 4, 64) + "%", nil
}

func title(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		_, n := utf8.DecodeRuneInString(w)
		words[i] = strings.ToUpper(w[:n]) + w[n:]
	}
	return strings.Join(words, " ")
}

func join(sep string, v any) (string, error) {
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice {
		return "", fmt.Errorf("join needs a list, not %T", v)
	}
	parts := make([]string, r.Len())
	for i := range parts {
		parts[i] = fmt.Sprint(r.Index(i).Interface())
	}
	return strings.Join(parts, sep), nil
}
