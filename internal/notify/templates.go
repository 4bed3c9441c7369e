package notify

import (
	"fmt"
	"strings"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/template"
)

// loadTemplates reads Alertmanager's templates, ours, and the user's, each of which may redefine
// those before it.
func loadTemplates(o Options, conf *config.Config) (*template.Template, error) {
	t, err := template.FromGlobs(nil)
	if err != nil {
		return nil, err
	}
	if err := t.Parse(strings.NewReader(templates)); err != nil {
		return nil, fmt.Errorf("built-in templates: %w", err)
	}
	for _, name := range conf.Templates {
		if err := t.FromGlob(name); err != nil {
			return nil, fmt.Errorf("%s: read templates: %w", o.AlertmanagerConfig, err)
		}
	}
	return t, nil
}
