package alerting

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// full is an alert that holds as much as one can.
func full() *templateData {
	data := &templateData{
		Labels: map[string]string{},
		Top:    map[string][]models.TopValue{},
		Window: time.Hour,
		Count:  1 << 60,
	}
	for i := range 100 {
		name := fmt.Sprint("label_", i)
		data.Labels[name] = strings.Repeat("a", 1024)
		data.Top[name] = make([]models.TopValue, 10)
		data.Last = append(data.Last, models.Line{Message: strings.Repeat("<m>", 2700)})
	}
	data.First = data.Last
	return data
}

func TestTemplatesEnd(t *testing.T) {
	doubled := `{{ $a := "aaaaaaaaaa" }}` + strings.Repeat(`{{ $a = print $a $a }}`, 500) +
		`{{ $a }}`
	escaped := `{{ $a := "\\\\\\\\" }}` + strings.Repeat(`{{ $a = js $a | html }}`, 500) +
		`{{ $a }}`
	for name, text := range map[string]string{
		"integer":  `{{ range 1000000000000000 }}{{ end }}`,
		"duration": `{{ range .Window }}{{ end }}`,
		"variable": `{{ $n := .Count }}{{ range $n }}{{ end }}`,
		"nested": `{{ range .Last }}{{ range $.Last }}{{ range $.Last }}{{ end }}{{ end ` +
			`}}{{ end }}`,
		"else":    `{{ if .Value }}{{ else }}{{ range .Window }}{{ end }}{{ end }}`,
		"in with": `{{ with .Window }}{{ range . }}{{ end }}{{ end }}`,
		"much text": `{{ range .Last }}{{ range $.Last }}` + strings.Repeat("{{ $x := $.Value }}",
			500) + `{{end}}{{end}}`,
		"texts": `{{ range .Last }}{{ range $.Last }}{{ $x := printf "%v" $.Last }}{{ end ` +
			`}}{{ end }}`,
		"many texts":  strings.Repeat(`{{ $a := print .Last }}`, 500),
		"padding":     `{{ $a := printf "%1000000d" 1 }}`,
		"precision":   `{{ $a := printf "%.1000000f" .Value }}`,
		"given width": `{{ $a := printf "%*d" 1000000 1 }}`,
		"many widths": `{{ $a := printf "` + strings.Repeat("%999d", 60) + `" 1 }}`,
		"many verbs":  `{{ $a := printf "` + strings.Repeat("%[1]s", 500) + `" .Last.Message }}`,
	} {
		t.Run(name, func(t *testing.T) {
			tt := newTextTemplate("text", text)
			if got := tt.expand(full()); !strings.Contains(got, "failed: ") {
				t.Errorf("%.200q", got)
			}
		})
	}
	for name, text := range map[string]string{"doubled": doubled, "escaped": escaped} {
		tt := newTextTemplate("text", text)
		if got := tt.expand(full()); len(got) > 2*maxAnnotation {
			t.Errorf("%s: %d bytes", name, len(got))
		}
	}
}

func TestTemplatesHaveDescriptions(t *testing.T) {
	data := &templateData{
		Labels: map[string]string{"a": "1", "b": "<2>"},
		Value:  0.5,
		Last:   lines{{Message: "x"}, {Message: "y"}},
		Top:    map[string][]models.TopValue{"code": {{Value: "500", Count: 3}}},
	}
	for text, want := range map[string]string{
		`{{ range $k, $v := .Labels }}{{ $k }}={{ $v }};{{ else }}none{{ end }}`:        "a=1;b=<2>;",
		`{{ range .First }}{{ .Message }}{{ else }}none{{ end }}`:                       "none",
		`{{ range $i, $l := .Last }}{{ if $i }}, {{ end }}{{ $l.Message }}{{ end }}`:    "x, y",
		`{{ range .Last }}{{ break }}{{ end }}{{ printf "%.1f%%" .Value }}`:             "0.5%",
		`{{ range $f, $v := .Top }}{{ $f }}:{{ range $v }}{{ .Count }}{{ end }}{{end}}`: "code:3",
		`{{ html .Labels.b }} {{ toUpper "a" }} {{ .Labels.b | print | urlquery }}`:     "&lt;2&gt; A %3C2%3E",
	} {
		tt := newTextTemplate("text", text)
		if got := tt.expand(data); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestCostlyRuleIsRefused(t *testing.T) {
	r := &rule.Rule{Annotations: map[string]string{"s": `{{ printf "%99999d" 1 }}`}}
	err := CheckCompiles(r)
	if err == nil || !strings.Contains(err.Error(), "annotation s pads a text") {
		t.Error(err)
	}
}

// FuzzTemplate: whatever rules may write ends, with a short text.
func FuzzTemplate(f *testing.F) {
	f.Add(`{{ range .Last }}{{ .Message }}{{ end }}`)
	f.Add(`{{ with $x := .Top }}{{ range $x }}{{ . | printf "%5v" }}{{ end }}{{ end }}`)
	f.Add(`{{ .At.Format "2006" }}{{ index .Labels "label_1" | title }}`)
	data := full()
	f.Fuzz(func(t *testing.T, text string) {
		_, err := rule.Read("a", fmt.Appendf(nil,
			"groups: [{name: g, rules: [{alert: A, match: x, annotations: {s: %q}}]}]", text))
		tt := newTextTemplate("s", text)
		if err != nil || tt.template == nil || tt.err != nil {
			return
		}
		start := time.Now()
		if got := tt.expand(data); len(got) > 4*maxAnnotation {
			t.Errorf("%d bytes", len(got))
		}
		tt.work.execute(tt.template, io.Discard, data)
		if d := time.Since(start); d > 10*time.Second {
			t.Error(d)
		}
	})
}
