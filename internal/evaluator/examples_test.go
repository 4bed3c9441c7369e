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

// TestExamples runs the examples of testdata: by the evaluator, and by the engine in all ways. Each
// is rules, the logs with their times after the start, and the transitions that must come, in the
// order of time. The start is 2026-01-05T09:00:00Z, a Monday, unless it is given. 40s+12s is a log
// of 40 seconds after the start that arrives 12 seconds later, and 40s/1 one on partition 1.
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
	rules := strings.Join(example["file"], "\n") + "\ngroups:\n- name: g\n  rules:\n  " +
		strings.Join(example["rules"], "\n  ") + "\n"
	if about := example["about"]; about != nil {
		rules += "- name: about\n  source: alerts\n  rules:\n  " + strings.Join(about, "\n  ") +
			"\n"
	}
	s := scenario{example: "version: 1\n" + rules, partitions: 1}
	set, reader, err := readers(s)
	if err != nil {
		t.Fatal(err)
	}
	if begins := example["start"]; begins != nil {
		if s.begins, err = time.Parse(time.RFC3339, begins[0]); err != nil {
			t.Fatal(err)
		}
	}
	var logs []*Log
	course := Course{}
	for _, l := range example["logs"] {
		a := exampleLog(t, l)
		s.logs = append(s.logs, a)
		s.partitions = max(s.partitions, int(a.partition)+1)
	}
	if s.late() {
		course.Began = s.start()
	}
	for _, i := range s.order() {
		for _, l := range reader.Read(s.record(i)) {
			if s.late() {
				l.Clock = s.start().Add(s.logs[i].at + s.logs[i].delay).UnixNano()
			}
			logs = append(logs, l)
		}
	}
	if course.End = s.end(); example["rules"] == nil {
		t.Fatal("no rules")
	}
	var got, want []string
	for _, g := range Evaluate(set, logs, course) {
		got = append(got, exampleAlert(g, s.start()))
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
	if difference := differs(s); difference != "" {
		t.Error(difference)
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
		case slices.Contains([]string{"start", "rules", "about", "logs", "alerts"}, name):
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
	at, partition, _ := strings.Cut(at, "/")
	at, delay, _ := strings.Cut(at, "+")
	var err error
	if a.at, err = time.ParseDuration(at); err != nil {
		t.Fatal(err)
	}
	if delay != "" {
		if a.delay, err = time.ParseDuration(delay); err != nil {
			t.Fatal(err)
		}
	}
	if partition != "" {
		a.partition = int32(partition[0] - '0')
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
func exampleAlert(g Transition, begin time.Time) string {
	text := fmt.Sprintf("%s %s %s", g.At.Sub(begin), g.Labels["alertname"], g.State)
	for _, name := range slices.Sorted(maps.Keys(g.Labels)) {
		if name != "alertname" {
			text += " " + name + "=" + g.Labels[name]
		}
	}
	return text + " value=" + strconv.FormatFloat(g.Value.Float(), 'g', -1, 64)
}
