package alerting

import (
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Texts of alerts are made of logs in time in proportion to them, by each function of templates.
func TestTextsOfAlertsTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	shapes := linear.Shapes([]string{"", "<", `"`}, []string{
		"a", " ", "<", "&", `"`, "%", "{{", "\\", "\n", "é", "\xff", "\u202e", "\x1b[31m", "a b ", "A.", "1",
	}, ">")
	for _, text := range []string{
		"{{ .Last.Message }}", "{{ .Labels.a }}{{ .Labels.a }}", "{{ html .Labels.a }}", "{{ js .Labels.a }}",
		"{{ urlquery .Labels.a }}", "{{ toUpper .Labels.a | title }}", `{{ printf "%q %s" .Labels.a .Labels.a }}`,
		"{{ range .Last }}{{ .Message }}{{ .Fields.f }}{{ end }}", "{{ range .Top }}{{ range . }}{{ .Value }}{{ end }}{{ end }}",
		"{{ .Labels }}", "{{ len .Labels.a }}", "{{ if eq .Labels.a .Last.Message }}x{{ end }}",
	} {
		tt := newTextTemplate("s", text)
		if tt.err != nil {
			t.Fatal(text, tt.err)
		}
		linear.Law{Size: 128 << 10, Enough: 50 * time.Millisecond}.Check(t, text, shapes,
			func(text string) {
				line := models.Line{Message: text, Fields: map[string]string{"f": text}}
				tt.expand(&templateData{
					Labels: map[string]string{"a": text}, First: lines{line}, Last: lines{line, line},
					Top: map[string][]models.TopValue{"f": {{Value: text, Count: 1}}},
				})
				appendClean(nil, []byte(text), len(text))
			})
	}
	t.Logf("%d shapes", 12*len(shapes))
}
