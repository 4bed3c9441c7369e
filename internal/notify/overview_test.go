package notify

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/alertmanager/dispatch"
)

// Routes, receivers and the receivers of labels are those of the configuration.
func TestOverview(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alertmanager.yml")
	const conf = `
route:
  receiver: default
  group_by: [service, alertname]
  routes:
    - {receiver: pager, matchers: ['severity="page"'], continue: true, group_by: ['...']}
    - receiver: default
      matchers: [team=~"a|b"]
      routes: [{receiver: chat, matchers: [team="a"]}]
receivers:
  - {name: default, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}
  - {name: pager, webhook_configs: [{url: 'http://127.0.0.1:1/'}, {url: 'http://127.0.0.1:2/'}]}
  - {name: chat}
`
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := newReceiverConfig(Options{AlertmanagerConfig: file}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	n := &Notifier{}
	n.config.Store(p)
	var routes []string
	for _, r := range n.Routes() {
		routes = append(routes, r.Receiver)
	}
	if !slices.Equal(routes, []string{"default", "pager", "default", "chat"}) ||
		n.Routes()[3].Depth != 2 ||
		!slices.Equal(n.Routes()[1].GroupBy, []string{"..."}) ||
		!slices.Equal(n.Routes()[2].Matchers, []string{`team=~"a|b"`}) ||
		!slices.Equal(n.Routes()[0].GroupBy, []string{"alertname", "service"}) {
		t.Errorf("the routes are %+v", n.Routes())
	}
	var receivers []string
	for _, r := range n.Receivers() {
		receivers = append(receivers, r.Name)
	}
	if !slices.Equal(receivers, []string{"chat", "default", "pager"}) ||
		len(n.Receivers()[2].Integrations) != 2 {
		t.Errorf("the receivers are %+v", n.Receivers())
	}
	f := func(labels map[string]string, want ...string) {
		t.Helper()
		if got := n.RoutedTo(labels); !slices.Equal(got, want) {
			t.Errorf("%v goes to %v, not %v", labels, got, want)
		}
	}
	f(map[string]string{"x": "y"}, "default")
	f(map[string]string{"severity": "page", "team": "a"}, "pager", "chat")
	f(map[string]string{"team": "b"}, "default")
}

// Clients of the API see each alert once: not again for the terminal, unless there is nothing else.
func TestClientsSeeNoInternalReceivers(t *testing.T) {
	f := func(o Options, want ...string) {
		t.Helper()
		o.Terminal = io.Discard
		p, err := newReceiverConfig(o.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		conf := forClients(p.conf)
		var names []string
		for _, r := range conf.Receivers {
			names = append(names, r.Name)
		}
		if !slices.Equal(names, want) {
			t.Errorf("clients see %v, not %v", names, want)
		}
		keep := externalRoutes(p.conf, func(*dispatch.Route) bool { return true })
		p.routes.Walk(func(r *dispatch.Route) {
			if name := r.RouteOpts.Receiver; keep(r) != slices.Contains(want, name) {
				t.Errorf("the route of %s is kept: %v", name, keep(r))
			}
		})
		if len(p.conf.Receivers) < len(conf.Receivers) {
			t.Error("the configuration itself has changed")
		}
	}
	f(Options{WebhookURL: "http://127.0.0.1:1/"}, "default")
	f(Options{}, NoReceiver, "terminal")
}
