package evaluator

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestExamples runs the examples of testdata. Each is rules, the logs with their times after the
// start, and the transitions that must come, in the order of time.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(string(data), "=== ")[1:] {
			name, text, _ := strings.Cut(text, "\n")
			t.Run(name, func(t *testing.T) { runExample(t, text) })
		}
	}
}

func runExample(t *testing.T, text string) {
	example := sections(text)
	s := scenario{}
	rules := strings.Join(example["file"], "\n") + "\ngroups:\n- name: g\n  rules:\n  " +
		strings.Join(example["rules"], "\n  ") + "\n"
	if about := example["about"]; about != nil {
		rules += "- name: about\n  source: alerts\n  rules:\n  " + strings.Join(about, "\n  ") +
			"\n"
	}
	set, err := ReadRules("example", []byte("version: 1\n"+rules))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := NewReader(set)
	if err != nil {
		t.Fatal(err)
	}
	var logs []*Log
	for _, l := range example["logs"] {
		s.logs = append(s.logs, exampleLog(t, l))
		logs = append(logs, reader.Read(s.record(len(s.logs)-1))...)
	}
	var got, want []string
	for _, g := range Evaluate(set, logs, Course{End: start.Add(s.logs[len(s.logs)-1].at)}) {
		got = append(got, exampleAlert(g))
	}
	for _, l := range example["alerts"] {
		at, rest, _ := strings.Cut(l, " ")
		d, err := time.ParseDuration(at)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, d.String()+" "+rest)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.EqualFunc(got, want, func(g, w string) bool {
		return g == w || !strings.Contains(w, "value=") && strings.HasPrefix(g, w+" value=")
	}) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// sections are the lines of an example by the line that begins them; those of the rule file itself
// are of the section file.
func sections(text string) map[string][]string {
	in, s := "file", map[string][]string{}
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\n")
		switch name := strings.TrimSuffix(l, ":"); {
		case l == "":
		case slices.Contains([]string{"rules", "about", "logs", "alerts"}, name):
			in = name
		default:
			s[in] = append(s[in], l)
		}
	}
	return s
}

// exampleLog reads a line such as: 10s host=web took="300 ms".
func exampleLog(t *testing.T, line string) arrival {
	at, rest, _ := strings.Cut(line, " ")
	a := arrival{fields: map[string]any{"message": "m"}}
	var err error
	if a.at, err = time.ParseDuration(at); err != nil {
		t.Fatal(err)
	}
	for rest != "" {
		name, value, _ := strings.Cut(rest, "=")
		if quoted, err := strconv.QuotedPrefix(value); err == nil {
			a.fields[name], _ = strconv.Unquote(quoted)
			rest = strings.TrimPrefix(value[len(quoted):], " ")
			continue
		}
		value, rest, _ = strings.Cut(value, " ")
		var parsed any = value
		if err := json.Unmarshal([]byte(value), &parsed); err != nil {
			parsed = value
		}
		a.fields[name] = parsed
	}
	return a
}

// exampleAlert writes a transition as examples do.
func exampleAlert(g Transition) string {
	text := fmt.Sprintf("%s %s %s", g.At.Sub(start), g.Labels["alertname"], g.State)
	for _, name := range slices.Sorted(maps.Keys(g.Labels)) {
		if name != "alertname" {
			text += " " + name + "=" + g.Labels[name]
		}
	}
	return text + " value=" + strconv.FormatFloat(g.Value.Float(), 'g', -1, 64)
}
