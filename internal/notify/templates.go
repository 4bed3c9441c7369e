package notify

import (
	_ "embed"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/notify/pagerduty"
	"github.com/prometheus/alertmanager/template"
)

// messageTemplates are the messages that receivers get unless the configuration says otherwise.
//
//go:embed message.tmpl
var messageTemplates string

// loadTemplates reads Alertmanager's templates, ours, and the user's, each of which may redefine
// those before it.
func loadTemplates(o Options, conf *config.Config) (*template.Template, error) {
	t, err := template.FromGlobs(nil, messageOption)
	if err != nil {
		return nil, err
	}
	if err := t.Parse(strings.NewReader(messageTemplates)); err != nil {
		return nil, fmt.Errorf("built-in templates: %w", err)
	}
	for _, name := range conf.Templates {
		if err := t.FromGlob(name); err != nil {
			return nil, fmt.Errorf("%s: read templates: %w", o.AlertmanagerConfig, err)
		}
	}
	return t, nil
}

// applyMessageDefaults sets what Alertmanager leaves empty or fixed, and the configuration does not
// say: the text part and machine headers of e-mails, PagerDuty's severity, Opsgenie's priority.
func applyMessageDefaults(conf *config.Config, said map[string]bool) {
	for _, r := range conf.Receivers {
		for _, c := range r.EmailConfigs {
			if c.Text == "" {
				c.Text = `{{ template "email.default.text" . }}`
			}
			if c.Headers == nil {
				c.Headers = map[string]string{}
			}
			if _, ok := c.Headers["X-Alert-Id"]; !ok {
				c.Headers["X-Alert-Id"] = `{{ alertIDs .Alerts }}`
			}
		}
		for i, c := range r.PagerdutyConfigs {
			if !said[fmt.Sprintf("%s/%d", r.Name, i)] &&
				c.Severity == pagerduty.DefaultPagerdutyConfig.Severity {
				c.Severity = `{{ template "pagerduty.default.severity" . }}`
			}
		}
		for _, c := range r.OpsGenieConfigs {
			if c.Priority == "" {
				c.Priority = `{{ template "opsgenie.default.priority" . }}`
			}
		}
	}
}

// saidSeverities are the PagerDuty integrations whose severity a configuration file says, by
// receiver and index.
func saidSeverities(name string) map[string]bool {
	said := map[string]bool{}
	var file struct {
		Receivers []struct {
			Name      string           `yaml:"name"`
			PagerDuty []map[string]any `yaml:"pagerduty_configs"`
		} `yaml:"receivers"`
	}
	text, err := os.ReadFile(name)
	if err != nil || yaml.Unmarshal(text, &file) != nil {
		return said
	}
	for _, r := range file.Receivers {
		for i, c := range r.PagerDuty {
			if _, ok := c["severity"]; ok {
				said[fmt.Sprintf("%s/%d", r.Name, i)] = true
			}
		}
	}
	return said
}
