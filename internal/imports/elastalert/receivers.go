package elastalert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports"
)

// receivers collects the routes and receivers of an alertmanager.yml.
type receivers struct {
	routes []*yaml.Node
	list   []*yaml.Node
	names  map[string]string // of receivers, by what they say
}

// setting is a key of a receiver and the setting of ElastAlert that it comes from.
type setting struct{ key, from string }

// notifiers are the alerters that Alertmanager has receivers for.
var notifiers = map[string]struct {
	config   string
	settings []setting
}{
	"slack": {"slack_configs", []setting{
		{"api_url", "slack_webhook_url"},
		{"channel", "slack_channel_override"},
	}},
	"mattermost": {"slack_configs", []setting{
		{"api_url", "mattermost_webhook_url"},
		{"channel", "mattermost_channel_override"},
	}},
	"rocketchat": {"slack_configs", []setting{
		{"api_url", "rocket_chat_webhook_url"},
		{"channel", "rocket_chat_channel_override"},
	}},
	"email": {"email_configs", []setting{
		{"to", "email"},
		{"from", "from_addr"},
	}},
	"ms_teams": {"msteams_configs", []setting{{"webhook_url", "ms_teams_webhook_url"}}},
	"ms_power_automate": {
		"msteamsv2_configs",
		[]setting{{"webhook_url", "ms_power_automate_webhook_url"}},
	},
	"discord": {"discord_configs", []setting{{"webhook_url", "discord_webhook_url"}}},
	"telegram": {"telegram_configs", []setting{
		{"bot_token", "telegram_bot_token"},
		{"chat_id", "telegram_room_id"},
	}},
	"pagerduty": {"pagerduty_configs", []setting{{"service_key", "pagerduty_service_key"}}},
	"opsgenie":  {"opsgenie_configs", []setting{{"api_key", "opsgenie_key"}}},
	"post":      {"webhook_configs", []setting{{"url", "http_post_url"}}},
	"post2":     {"webhook_configs", []setting{{"url", "http_post2_url"}}},
	"victorops": {"victorops_configs", []setting{
		{"api_key", "victorops_api_key"},
		{"routing_key", "victorops_routing_key"},
	}},
}

// add adds the route of a rule.
func (s *receivers) add(r *one, drafts []draft) {
	name, missing := s.receiver(r)
	if len(missing) > 0 {
		r.say(
			imports.Note,
			"receiver",
			fmt.Sprintf("%s: alert %s has no receiver in an alertmanager.yml; "+
				"a webhook can call it", r.name, strings.Join(missing, ", ")),
		)
	}
	if name == "" {
		return
	}
	for _, d := range drafts {
		alert := r.name
		if d.name != "" {
			alert = d.name
		}
		route := imports.Map("receiver", imports.Text(name),
			"matchers", imports.List(imports.Text("alertname="+strconv.Quote(alert))))
		if keys := imports.Values(r.root, "aggregation_key"); len(keys) > 0 {
			imports.Set(route, "group_by", imports.Texts(keys...))
		}
		for key, from := range map[string]string{
			"repeat_interval": "realert", "group_interval": "aggregation",
		} {
			if v, err := r.duration(from); err == nil && v > 0 {
				imports.Set(route, key, imports.Text(duration.Format(v)))
			}
		}
		s.routes = append(s.routes, sorted(route))
	}
}

// sorted is a mapping with its keys in order, so that the file is the same each time.
func sorted(m *yaml.Node) *yaml.Node {
	var keys []string
	for i := 0; i < len(m.Content); i += 2 {
		keys = append(keys, m.Content[i].Value)
	}
	slices.Sort(keys)
	c := imports.Map()
	for _, key := range keys {
		imports.Set(c, key, imports.Get(m, key))
	}
	return c
}

// receiver returns the name of the receiver of a rule, and the alerters that none stands for.
func (s *receivers) receiver(r *one) (name string, missing []string) {
	receiver := imports.Map()
	var kinds []string
	for _, n := range members(r.get("alert")) {
		kind, root := n.Value, r.root
		if n.Kind == yaml.MappingNode && len(n.Content) > 1 {
			kind = n.Content[0].Value
			root = withDefaults(n.Content[1], r.root)
		}
		to, ok := notifiers[kind]
		switch {
		case kind == "debug":
			continue
		case !ok:
			missing = append(missing, kind)
			continue
		}
		config := imports.Map()
		for _, setting := range to.settings {
			if values := imports.Values(root, setting.from); len(values) > 0 {
				imports.Set(config, setting.key, imports.Text(strings.Join(values, ", ")))
			}
		}
		if kind == "email" {
			host, port := imports.Value(root, "smtp_host"), imports.Value(root, "smtp_port")
			if host == "" {
				host = "localhost"
			}
			if port == "" {
				port = "25"
			}
			imports.Set(config, "smarthost", imports.Text(host+":"+port))
			if imports.Get(config, "from") == nil {
				imports.Set(config, "from", imports.Text("ElastAlert"))
			}
		}
		if imports.Value(config, to.settings[0].key) == "" {
			missing = append(missing, kind+" without "+to.settings[0].from)
			continue
		}
		if chat := imports.Get(config, "chat_id"); chat != nil {
			chat.Tag = "!!int"
		}
		list := imports.Get(receiver, to.config)
		if list == nil {
			list = imports.List()
			imports.Set(receiver, to.config, list)
		}
		list.Content = append(list.Content, config)
		kinds = append(kinds, kind)
	}
	if len(kinds) == 0 {
		return "", missing
	}
	text, err := yaml.Marshal(receiver)
	if err != nil {
		return "", missing
	}
	if s.names == nil {
		s.names = map[string]string{}
	}
	if known := s.names[string(text)]; known != "" {
		return known, missing
	}
	name = fmt.Sprintf("%s-%d", strings.Join(slices.Compact(kinds), "-"), len(s.list)+1)
	s.names[string(text)] = name
	one := imports.Map("name", imports.Text(name))
	one.Content = append(one.Content, receiver.Content...)
	s.list = append(s.list, one)
	return name, missing
}

// document is the alertmanager.yml; nil when no rule notifies anything that it can.
func (s *receivers) document() *yaml.Node {
	if len(s.list) == 0 {
		return nil
	}
	route := imports.Map("receiver", imports.Text("none"), "group_by", imports.Texts("..."),
		"routes", imports.List(s.routes...))
	list := append([]*yaml.Node{imports.Map("name", imports.Text("none"))}, s.list...)
	return imports.Map("route", route, "receivers", imports.List(list...))
}
