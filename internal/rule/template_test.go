package rule

import (
	"strings"
	"testing"
)

func TestTemplatesDoBoundedWork(t *testing.T) {
	allowed := []string{
		`{{ .Value }} errors of {{ .Labels.service }}`,
		`{{ range .Last }}{{ .Message }} {{ end }}`,
		`{{ range $name, $values := .Top }}{{ range $values }}{{ .Value }}{{ end }}{{ end }}`,
		`{{ range index .Top "code" }}{{ .Value }}{{ end }}`,
		`{{ range $.Labels }}{{ . }}{{ else }}none{{ end }}`,
		`{{ with .Last }}{{ range . }}{{ .Message }}{{ end }}{{ end }}`,
		`{{ range .Last.Fields }}{{ . }}{{ end }}`,
		`{{ .At.Format "15:04" }}, {{ (.At.Sub .Start).Round 1000000000 }} ago`,
		`{{ printf "%.2f" .Value }}{{ if gt .Value 5.0 }}!{{ end }}`,
		`{{/* nothing */}}`,
	}
	for _, text := range allowed {
		if problem, _ := checkTemplate(text); problem != "" {
			t.Errorf("%s: %s", text, problem)
		}
	}
	for text, want := range map[string]string{
		`{{ range 1000000000000000 }}{{ end }}`:                                      "whose length nothing bounds",
		`{{ range .Window }}{{ end }}`:                                               "range goes over .Window, whose length",
		`{{ range $i := .Count }}{{ end }}`:                                          "range goes over .Count, whose length",
		`{{ range $.Count }}{{ end }}`:                                               "whose length nothing bounds",
		`{{ range $ }}{{ end }}`:                                                     "whose length nothing bounds",
		`{{ range len .Last }}{{ end }}`:                                             "whose length nothing bounds",
		`{{ if true }}{{ range (1000000) }}{{ end }}{{ end }}`:                       "whose length nothing bounds",
		`{{ with .Last }}{{ else }}{{ range .Count }}{{end}}{{end}}`:                 "whose length nothing bounds",
		`{{ define "x" }}{{ end }}`:                                                  "defines others",
		`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`:              "defines others",
		`{{ block "x" . }}{{ end }}`:                                                 "defines others",
		`{{ template "x" }}`:                                                         `template "x" is called`,
		`{{ if .Value }}{{ template "" }}{{ end }}`:                                  `template "" is called`,
		`{{ range .Last }}{{ range $.Last }}{{ range $.Last }}{{end}}{{end}}{{end}}`: "ranges are nested",
		`{{ $a := "222" }}{{ $a = .At.Format $a }}`:                                  "layout of .At.Format is not written out",
		`{{ $a := .At.Format (.At.Format "22") }}`:                                   "layout of .At.Format is not written out",
		`{{ "2222" | .At.Format }}`:                                                  "layout of .At.Format is not written out",
		`{{ with .At }}{{ .Format $.Reason }}{{ end }}`:                              "layout of .Format is not written out",
		`{{ print ((.At).Format .Reason) }}`:                                         "is not written out",
		`{{ $b := .At.AppendFormat .At.MarshalText "22" }}`:                          ".At.AppendFormat is called with an argument",
		"{{ print 1 }}" + strings.Repeat("x",
			maxTemplate): "longer than 16 KiB",
		`{{ .Value `: "unclosed action",
	} {
		problem, hint := checkTemplate(text)
		if !strings.Contains(problem, want) || hint == "" && want != "unclosed action" {
			t.Errorf("%s: %q with hint %q, want %s", text, problem, hint, want)
		}
	}
}

func TestTemplatesAreCheckedWhereTheyStand(t *testing.T) {
	_, err := Read("a.rules.yml", []byte(`
labels: {team: '{{ range 9 }}{{ end }}'}
groups:
- name: g
  rules:
  - alert: A
    match: x
    samples: {last: 100000}
    labels: {severity: '{{ template "a" }}'}
    annotations: {s: '{{ define "a" }}{{ end }}'}
`))
	if err == nil {
		t.Fatal("read")
	}
	for _, want := range []string{
		"a.rules.yml:2:16: range goes over 9",
		"a.rules.yml:8:21: an alert would show 100000 lines",
		`a.rules.yml:9:24: template "a" is called`,
		"a.rules.yml:10:22: template defines others",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%s", want, err)
		}
	}
}
