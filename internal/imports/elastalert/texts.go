package elastalert

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
)

// texts are the annotations of a rule: its subject, its text and its description.
func (r *one) texts(d draft) *yaml.Node {
	annotations := imports.Map()
	set := func(name, text string) {
		if text != "" && imports.Get(annotations, name) == nil {
			imports.Set(annotations, name, imports.Text(text))
		}
	}
	written := 0
	for _, part := range []struct{ name, text, args string }{
		{"summary", "alert_subject", "alert_subject_args"},
		{"description", "alert_text", "alert_text_args"},
	} {
		if r.get(part.text) == nil {
			continue
		}
		text, err := r.template(r.value(part.text), part.args, d)
		if err != nil {
			r.remark("text", part.text+" is left out: "+err.Error())
			continue
		}
		written++
		set(part.name, text)
	}
	set("summary", imports.Escape(r.name))
	set("description", imports.Escape(r.value("description")))
	set("comment", imports.Escape(r.value("description")))
	if imports.Value(annotations, "comment") == imports.Value(annotations, "description") {
		annotations = without(annotations, "comment")
	}
	if written > 0 && r.verdict == imports.Exact && len(r.remarks) == 0 {
		r.verdict = imports.ExactTexts
	}
	return annotations
}

// template is a text of ElastAlert as a template.
func (r *one) template(text, argsKey string, d draft) (string, error) {
	missing := cmp.Or(r.value("alert_missing_value"), "<MISSING VALUE>")
	if r.value("alert_text_type") == "alert_text_jinja" {
		if r.get("jinja_template_path") != nil {
			return "", errors.New("it is in a file of its own")
		}
		return r.jinja(text, d)
	}
	var args []string
	for _, m := range members(r.get(argsKey)) {
		args = append(args, r.lookup(m.Value, missing, d))
	}
	names := map[string]string{}
	if kw := r.get("alert_text_kw"); kw != nil && argsKey == "alert_text_args" &&
		r.get(argsKey) == nil {
		for i := 0; i+1 < len(kw.Content); i += 2 {
			names[kw.Content[i+1].Value] = r.lookup(kw.Content[i].Value, missing, d)
		}
	}
	if r.get(argsKey) == nil && len(names) == 0 {
		return imports.Escape(text), nil // nothing is put in
	}
	return format(text, args, names)
}

// format is a text of Python's str.format.
func format(text string, args []string, names map[string]string) (string, error) {
	var b strings.Builder
	next := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '{' && i+1 < len(text) && text[i+1] == '{':
			b.WriteString(`{{"{"}}`)
			i++
		case c == '}' && i+1 < len(text) && text[i+1] == '}':
			b.WriteString("}")
			i++
		case c == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return "", errors.New("it has a { that is never closed")
			}
			name := text[i+1 : i+end]
			i += end
			value, ok := names[name]
			if n, err := strconv.Atoi(cmp.Or(name, strconv.Itoa(next))); !ok && err == nil &&
				n >= 0 &&
				n < len(args) {
				value, ok = args[n], true
				next++
			}
			if !ok {
				return "", errors.New(
					"it asks for {" + name + "}, which has no argument or a format of its own",
				)
			}
			b.WriteString(value)
		case c == '}':
			return "", errors.New("it has a } that nothing opens")
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// lookup writes a field of the matched event, or a setting of the rule.
func (r *one) lookup(name, missing string, d draft) string {
	if special := r.special(name); special != "" {
		return special
	}
	value := r.field(name, d)
	if n := r.get(name); n != nil && n.Kind == yaml.ScalarNode && !slices.Contains(d.labels, name) {
		return imports.Escape(n.Value)
	}
	if missing == "" {
		return "{{ " + value + " }}"
	}
	return "{{ or " + wrapped(value) + " " + strconv.Quote(missing) + " }}"
}

func wrapped(value string) string {
	if strings.Contains(value, " ") {
		return "(" + value + ")"
	}
	return value
}

// special are what ElastAlert adds to an event.
func (r *one) special(name string) string {
	switch name {
	case "num_hits":
		return "{{ .Count }}"
	case "num_matches":
		return "1"
	case "spike_count", "metric_agg_value", "percentage":
		if name == "percentage" {
			return "{{ humanizePercentage .Value }}"
		}
		return "{{ .Value }}"
	case "@timestamp", r.filters.types.time:
		return `{{ .Last.Time.UTC.Format "2006-01-02T15:04:05.000Z" }}`
	}
	if key := r.value("metric_agg_key"); key != "" && strings.HasPrefix(name, "metric_"+key) {
		return "{{ .Value }}"
	}
	return ""
}

// plainName is a name that may follow a dot in a template.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// field is the expression of a field's value.
func (r *one) field(name string, d draft) string {
	source, own := r.filters.types.source(name), r.filters.types.own(name)
	if slices.Contains(d.labels, source) {
		if plainName.MatchString(source) {
			return ".Labels." + source
		}
		return "index .Labels " + strconv.Quote(source)
	}
	if own == "message" {
		return ".Last.Message"
	}
	if !slices.Contains(r.samples, own) {
		r.samples = append(r.samples, own)
	}
	if plainName.MatchString(own) {
		return ".Last.Fields." + own
	}
	return "index .Last.Fields " + strconv.Quote(own)
}

var (
	jinjaTag   = regexp.MustCompile(`\{\{-?\s*(.*?)\s*-?\}\}|\{%-?\s*(.*?)\s*-?%\}|\{#.*?#\}`)
	jinjaValue = regexp.MustCompile(`^([A-Za-z_@][\w.@-]*(?:\[["'][^"']+["']\])?)` +
		`((?:\s*\|\s*(?:upper|lower|title|string|safe))*)$`)
	jinjaIf = regexp.MustCompile(
		`^(if|elif)\s+(not\s+)?([A-Za-z_@][\w.@-]*(?:\[["'][^"']+["']\])?)$`,
	)
)

// jinja is a text of Jinja: names, a few filters, and if.
func (r *one) jinja(text string, d draft) (string, error) {
	var b strings.Builder
	at := 0
	for _, m := range jinjaTag.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(imports.Escape(text[at:m[0]]))
		at = m[1]
		switch {
		case m[2] >= 0:
			value, err := r.jinjaValue(text[m[2]:m[3]], d)
			if err != nil {
				return "", err
			}
			b.WriteString(value)
		case m[4] >= 0:
			tag, err := r.jinjaTag(text[m[4]:m[5]], d)
			if err != nil {
				return "", err
			}
			b.WriteString(tag)
		}
	}
	b.WriteString(imports.Escape(text[at:]))
	return b.String(), nil
}

func (r *one) jinjaValue(text string, d draft) (string, error) {
	m := jinjaValue.FindStringSubmatch(text)
	if m == nil {
		return "", errors.New("it has the Jinja expression " + strconv.Quote(text))
	}
	value := r.lookup(jinjaName(m[1]), "", d)
	for filter := range strings.SplitSeq(m[2], "|") {
		function := map[string]string{
			"upper": "toUpper", "lower": "toLower", "title": "title",
		}[strings.TrimSpace(filter)]
		if inner, ok := strings.CutPrefix(value, "{{ "); ok && function != "" {
			value = "{{ " + strings.TrimSuffix(inner, " }}") + " | " + function + " }}"
		}
	}
	return value, nil
}

// jinjaName is the name of a field without the root that all events have.
func jinjaName(name string) string {
	if before, key, ok := strings.Cut(name, "["); ok {
		name = before + "." + strings.Trim(key, `"']`)
	}
	return strings.TrimPrefix(name, "_data.")
}

func (r *one) jinjaTag(text string, d draft) (string, error) {
	switch text {
	case "else":
		return "{{ else }}", nil
	case "endif":
		return "{{ end }}", nil
	}
	m := jinjaIf.FindStringSubmatch(text)
	if m == nil {
		return "", errors.New("it has the Jinja tag " + strconv.Quote(text))
	}
	word := "if"
	if m[1] == "elif" {
		word = "else if"
	}
	value := r.field(jinjaName(m[3]), d)
	if m[2] != "" {
		value = "not " + wrapped(value)
	}
	return "{{ " + word + " " + value + " }}", nil
}
