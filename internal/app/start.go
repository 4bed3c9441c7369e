package app

import (
	"net"
	"strings"
)

// logStart logs what this process does: where its pages are, what it reads, which rules it
// evaluates, and who is notified.
func (p *process) logStart() {
	c, set := p.config, p.set.Load()
	files := map[string]bool{}
	for _, r := range set.Rules {
		files[r.Pos.File] = true
	}
	topics := strings.Join(append(c.Kafka.Topics, c.Kafka.TopicPatterns...), ", ")
	var receivers []string
	for _, r := range p.notifier.Receivers() {
		receivers = append(receivers, r.Name)
	}
	for _, u := range c.Notify.Alertmanagers {
		receivers = append(receivers, redacted(u))
	}
	if c.Notify.File != "" {
		receivers = append(receivers, "file "+string(c.Notify.File))
	}
	if c.Notify.KafkaTopic != "" {
		receivers = append(receivers, "topic "+c.Notify.KafkaTopic)
	}
	p.logger.Info(
		"alert-engine starts",
		"version", Version(),
		"config", c.file,
		"pages", p.pages(),
		"brokers", strings.Join(c.Kafka.Brokers, ", "),
		"topics", topics,
		"group", c.Kafka.Group,
		"start", c.Kafka.Start.String()+" (without committed offsets)",
		"rules", len(set.Rules),
		"rule_files", len(files),
		"receivers", strings.Join(receivers, ", "),
		"data_dir", string(c.DataDir),
	)
	if p.listener != nil && c.Web.open() && !loopback(p.listener.Addr()) {
		p.logger.Warn(
			"pages and API are open to all who reach this address",
			"address", p.listener.Addr().String(),
			"hint", "set web.token and web.read_token, or web.config_file, or listen on 127.0.0.1",
		)
	}
}

// open reports whether pages and API need no login, neither to read nor to change something.
func (c WebConfig) open() bool {
	return c.ConfigFile == "" && (c.ReadToken == "" || c.Token == "" && !c.ReadOnly)
}

func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
