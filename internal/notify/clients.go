package notify

import (
	"runtime/debug"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
)

// This file has what clients of Alertmanager's API (amtool, Karma, Grafana) expect beside the API.

// buildInfo is the metric by which Karma finds out which version of the API is spoken.
func buildInfo() prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alertmanager_build_info",
		Help: "A constant 1, with the version of the Alertmanager packages as a label.",
	}, []string{"version", "branch", "revision"})
	g.WithLabelValues(libraryVersion(), "", "").Set(1)
	return g
}

// libraryVersion is the version of the Alertmanager packages, without "v".
func libraryVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/prometheus/alertmanager" {
				return strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return "0.35.0"
}

// isInternal reports whether a receiver is one of ours beside configured ones. Clients list each
// alert once for every receiver, so they would show alerts twice.
func isInternal(conf *config.Config, name string) bool {
	ours := func(name string) bool { return name == terminalReceiver || name == NoReceiver }
	return ours(name) && slices.ContainsFunc(conf.Receivers, func(r config.Receiver) bool {
		return !ours(r.Name)
	})
}

// forClients is a configuration without internal receivers.
func forClients(conf *config.Config) *config.Config {
	c := *conf
	c.Receivers = slices.DeleteFunc(slices.Clone(conf.Receivers), func(r config.Receiver) bool {
		return isInternal(conf, r.Name)
	})
	root := *conf.Route
	root.Routes = slices.DeleteFunc(slices.Clone(root.Routes), func(r *config.Route) bool {
		return isInternal(conf, r.Receiver) && len(r.Routes) == 0
	})
	c.Route = &root
	return &c
}

// externalRoutes is a filter of routes that also leaves out those of internal receivers.
func externalRoutes(
	conf *config.Config,
	keep func(*dispatch.Route) bool,
) func(*dispatch.Route) bool {
	return func(r *dispatch.Route) bool {
		return !isInternal(conf, r.RouteOpts.Receiver) && keep(r)
	}
}
