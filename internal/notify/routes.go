package notify

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"go.yaml.in/yaml/v3"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/matcher/compat"

	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// NoReceiver is the receiver without integrations. terminalReceiver prints each alert on its own,
// beside what else is configured.
const (
	NoReceiver       = "no-receiver"
	terminalReceiver = "terminal"
)

// loadRoutes makes Alertmanager's configuration of the options, whichever kind they are. Its root
// route is ours: below it stand the terminal, if there is one, and the routes that were asked for,
// so that one does not change the group keys of the other, under which the notification log is
// kept.
func loadRoutes(o Options) (*config.Config, map[*config.Route]mark, error) {
	initCompat()
	if o.AlertmanagerConfig != "" && o.WebhookURL+o.SlackURL != "" ||
		len(o.Alertmanagers) > 0 && o.AlertmanagerConfig+o.WebhookURL+o.SlackURL != "" {
		return nil, nil, errors.New(
			"an Alertmanager configuration, a webhook or Slack URL, and Alertmanagers of your own " +
				"exclude each other; drop all but one",
		)
	}
	conf, keys, err := routesFor(o)
	if err != nil {
		return nil, nil, err
	}
	marks := map[*config.Route]mark{}
	var escalations []*config.Route
	if keys != nil {
		escalations = keys.apply(conf.Route, 0, marks)
	}
	applyMessageDefaults(conf, saidSeverities(o.AlertmanagerConfig))
	zero, minute := model.Duration(0), model.Duration(time.Minute)
	repeat := model.Duration(4 * time.Hour)
	root := &config.Route{
		Receiver:       conf.Route.Receiver,
		GroupWait:      &zero,
		GroupInterval:  &minute,
		RepeatInterval: &repeat,
	}
	if o.Terminal != nil {
		if slices.ContainsFunc(conf.Receivers, func(r config.Receiver) bool {
			return r.Name == terminalReceiver
		}) {
			return nil, nil, fmt.Errorf(
				"%s: receiver %q has the name of the built-in one; rename it",
				o.AlertmanagerConfig,
				terminalReceiver,
			)
		}
		second, never := model.Duration(time.Second), model.Duration(365*24*time.Hour)
		conf.Receivers = append(conf.Receivers, config.Receiver{Name: terminalReceiver})
		root.Routes = append(root.Routes, &config.Route{
			Receiver:       terminalReceiver,
			GroupByStr:     []string{"..."},
			GroupByAll:     true,
			GroupInterval:  &second,
			RepeatInterval: &never,
			Continue:       true,
		})
	}
	root.Routes = append(append(root.Routes, escalations...), conf.Route)
	conf.Route = root
	return conf, marks, nil
}

// initCompat chooses Alertmanager's syntax of matchers, once, before any is read.
var initCompat = sync.OnceFunc(
	func() { compat.InitFromFlags(promslog.NewNopLogger(), featurecontrol.NoopFlags{}) },
)

func routesFor(o Options) (*config.Config, *routeKeys, error) {
	if o.AlertmanagerConfig != "" {
		return loadFile(o.AlertmanagerConfig)
	}
	text, err := yaml.Marshal(builtIn(o))
	if err != nil {
		return nil, nil, err
	}
	conf, err := config.Load(string(text))
	if err != nil {
		return nil, nil, fmt.Errorf("receivers: %w", err)
	}
	return conf, nil, nil
}

// builtIn is the configuration without an alertmanager.yml: a webhook, a Slack channel, or neither.
func builtIn(o Options) map[string]any {
	type object = map[string]any
	receiver := object{"name": NoReceiver}
	if o.WebhookURL != "" {
		receiver["name"] = "default"
		receiver["webhook_configs"] = []object{
			{
				"url":           o.WebhookURL,
				"send_resolved": true,
				"timeout":       "30s",
				"max_alerts":    maxWebhook,
			},
		}
	}
	if o.SlackURL != "" {
		receiver["name"] = "default"
		receiver["slack_configs"] = []object{{
			"api_url": o.SlackURL, "channel": o.SlackChannel, "username": "alert-engine",
			"send_resolved": true, "timeout": "30s",
		}}
	}
	return object{
		"route": object{
			"receiver": receiver["name"],
			"group_by": []string{model.AlertNameLabel},
		},
		"receivers": []object{receiver},
	}
}

// maxWebhook is how many alerts a message to the webhook holds at most. It says how many it leaves
// out.
const maxWebhook = 500

func loadFile(name string) (conf *config.Config, keys *routeKeys, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, problem.New(problem.Pos{File: name}, "",
			"Alertmanager configuration is missing or cannot be read: %s", problem.Reason(err))
	}
	rest, keys, err := cutRouteKeys(name, text)
	if err != nil {
		return nil, nil, err
	}
	if keys == nil {
		conf, err = config.LoadFile(name)
	} else {
		conf, err = config.Load(string(rest))
	}
	if err != nil {
		return nil, nil, alertmanagerMistakes(name, text, err)
	}
	if keys != nil {
		for _, to := range keys.receivers() {
			known := func(r config.Receiver) bool { return r.Name == to }
			if !slices.ContainsFunc(conf.Receivers, known) {
				return nil, nil, problem.New(
					problem.Pos{File: name, Line: lineWith(text, to)}, "define it under receivers",
					"undefined receiver %q of an escalation", to)
			}
		}
	}
	if err := checkFiles(name, text); err != nil {
		return nil, nil, err
	}
	return conf, keys, nil
}

// quoted finds the name that an error is about.
var quoted = regexp.MustCompile(`"([^"]+)"`)

// alertmanagerMistakes is what Alertmanager says about a configuration, with places and hints.
// Alertmanager has no types for its errors, so both are found in the texts; only what we print
// depends on them.
func alertmanagerMistakes(name string, text []byte, err error) problem.List {
	list := problem.YAML(name, err)
	for _, e := range list {
		if e.Pos.Line == 0 {
			if m := quoted.FindStringSubmatch(e.Problem); m != nil {
				e.Pos.Line = lineWith(text, m[1])
			}
		}
		e.Problem = unknownKey.ReplaceAllString(e.Problem, `unknown key "$1"`)
		for _, h := range hints {
			if strings.Contains(e.Problem, h.in) {
				e.Hint = h.hint
				break
			}
		}
	}
	return list
}

// hints are what can be done about errors that do not say so themselves.
var hints = []struct{ in, hint string }{
	{
		"unknown key",
		"check its spelling and indentation against Alertmanager's documentation",
	},
	{"UTF-8", "the file is binary, or a text that is not in UTF-8"},
	{"undefined receiver", "define it under receivers"},
	{"no route provided", "add a route with a receiver"},
	{"undefined time interval", "define it under time_intervals"},
	{"not a valid duration", `write a number with a unit, such as "30s" or "5m"`},
	{"did not find expected", "quote texts with special characters, and indent with spaces"},
	{"no global", "set it under global, or in the receiver"},
}

var unknownKey = regexp.MustCompile(`field (\S+) not found in type \S+`)

func lineWith(text []byte, word string) int {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		if strings.Contains(lines.Text(), word) {
			return n
		}
	}
	return 0
}

// fileKey finds files that hold secrets, such as api_url_file. Alertmanager reads them only when it
// notifies, when it is too late to find them missing.
var fileKey = regexp.MustCompile(`^\s*(?:-\s+)?(\w+_file):\s*(.+?)\s*$`)

func checkFiles(name string, text []byte) error {
	var list problem.List
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		m := fileKey.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		file := strings.Trim(m[2], `'"`)
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(name), file)
		}
		if _, err := os.Stat(file); err != nil {
			list = append(list, problem.New(problem.Pos{File: name, Line: n},
				"put the secret there, or correct the path", "%s %s cannot be read", m[1], file))
		}
	}
	return list.Err()
}

// externalURL is under which users reach our pages. It goes to receivers and readers, so a user and
// a password in it are left out.
func externalURL(text string) (*url.URL, error) {
	u, err := url.Parse(cmp.Or(text, "http://localhost:8080"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, problem.New(problem.Pos{}, "write one such as http://alerts.example.com",
			"notify.external_url %q is not an http or https URL", safetext.URL(text))
	}
	u.User = nil
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}
