package evaluator

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// extraction is how one field of rules is read out of a text, as its path says.
type extraction struct{ from, method, text string }

// extractionsOf are the name of a field that is extracted, and the ways, of which the first wins.
func extractionsOf(path string) (name string, ways []extraction) {
	parts := strings.Split(path, "\x00")
	for i := 1; i+2 < len(parts); i += 3 {
		ways = append(ways, extraction{parts[i+1], parts[i], parts[i+2]})
	}
	return parts[0], ways
}

// extracted is the value of a field that is extracted from a log.
func (l *Log) extracted(path string) (string, bool) {
	name, ways := extractionsOf(path)
	for _, way := range ways {
		if from := l.fields[way.from]; len(from) > 0 {
			if value, ok := way.find(name, from[0].text); ok {
				return value, true
			}
		}
	}
	return "", false
}

func (x extraction) find(name, text string) (string, bool) {
	switch x.method {
	case "pattern":
		return x.inPattern(name, text)
	case "regexp":
		r := regexp.MustCompile(x.text)
		at, i := r.FindStringSubmatchIndex(text), r.SubexpIndex(name)
		if at == nil || i < 0 || at[2*i] < 0 {
			return "", false
		}
		return text[at[2*i]:at[2*i+1]], true
	case "logfmt":
		key, ok := x.key(name)
		for word := range strings.FieldsSeq(text) {
			if k, value, pair := strings.Cut(word, "="); ok && pair && k == key {
				return value, true
			}
		}
		return "", false
	}
	key, ok := x.key(name)
	var object map[string]any
	if !ok || json.Unmarshal([]byte(text), &object) != nil {
		return "", false
	}
	for outer, value := range object {
		switch value := value.(type) {
		case string:
			if outer == key {
				return value, true
			}
		case map[string]any:
			for inner, v := range value {
				s, ok := v.(string)
				if ok && (outer+"."+inner == key || key == name && outer+"_"+inner == key) {
					return s, true
				}
			}
		}
	}
	return "", false
}

// key is what a list of names, some of them written as name=key, says of a name.
func (x extraction) key(name string) (string, bool) {
	for one := range strings.SplitSeq(x.text, ",") {
		own, key, renamed := strings.Cut(strings.TrimSpace(one), "=")
		if own == name {
			if !renamed {
				key = own
			}
			return key, true
		}
	}
	return "", false
}

var angle = regexp.MustCompile(`<(\w+)>`)

// inPattern finds what stands between the texts around a name.
func (x extraction) inPattern(name, text string) (string, bool) {
	texts := angle.Split(x.text, -1)
	rest, ok := strings.CutPrefix(text, texts[0])
	for i, m := range angle.FindAllStringSubmatch(x.text, -1) {
		if !ok {
			break
		}
		value := rest
		if after := texts[i+1]; after == "" {
			ok = false
		} else {
			value, rest, ok = strings.Cut(rest, after)
		}
		if m[1] == name {
			return value, true
		}
	}
	return "", false
}

// extract notes the fields of a log that are extracted.
func (r *Reader) extract(l *Log, path string) {
	if !decode.Extracted(path) {
		return
	}
	delete(l.fields, path)
	delete(l.present, path)
	if text, ok := l.extracted(path); ok {
		l.present[path], l.fields[path] = true, []value{{text}}
	}
}
