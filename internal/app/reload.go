package app

import (
	"context"
	"errors"
	"reflect"

	"github.com/log-monitoring/alert-engine/internal/cluster"
)

// reload reads the configuration again and swaps rules and routes, both or neither: everything that
// can be wrong is found before the first of them changes. Other settings take effect with the next
// start.
func (p *process) reload(ctx context.Context) (err error) {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	defer func() { p.reloaded(err) }()
	if p.load == nil {
		return errors.New("there is no configuration to reload")
	}
	c, err := p.load()
	if err != nil {
		return err
	}
	set, err := p.rules(c)
	if err != nil {
		return err
	}
	var texts cluster.Rules
	if p.state.cluster != nil {
		if texts, err = p.rulesOf(c); err != nil {
			return err
		}
	}
	defer func() {
		p.lists.keep(topicsOf(p.lists.rules()))
		p.lookups.keepNamed()
	}()
	if set, err = p.lists.prepareRules(ctx, set); err != nil {
		return err
	}
	if err := p.lookups.prepareTables(ctx, &c.Notify); err != nil {
		return err
	}
	swapRoutes, err := p.notifier.Prepare(p.notifyOptions(c))
	if err != nil {
		return err
	}
	swapTokens := func() {}
	if p.server != nil {
		if swapTokens, err = p.server.PrepareTokens(c.Web.tokens()); err != nil {
			return err
		}
	}
	if m := p.state.cluster; m != nil {
		if err = p.compiles(set); err == nil {
			err = m.propose(set, texts)
		}
	} else if err = p.state.SetRules(set); err == nil {
		p.backfills.changed()
		p.set.Store(set)
	}
	if err != nil {
		return err
	}
	swapTokens()
	swapRoutes()
	p.notifying.Store(&c.Notify)
	ring(p.retentions.bell)
	ring(p.lists.bell)
	if p.restartNeeded(c) {
		p.logger.Warn(
			"settings other than rules, notify and web tokens have changed; they take effect at " +
				"the next start",
		)
	}
	return nil
}

// reloaded notes how a reload went.
func (p *process) reloaded(err error) {
	if err != nil {
		p.metrics.reloads.WithLabelValues("refused").Inc()
		p.metrics.reloadGood.Set(0)
		p.logger.Error("reload failed; nothing has changed", "error", err)
		return
	}
	p.metrics.reloads.WithLabelValues("applied").Inc()
	p.metrics.reloadGood.Set(1)
	p.logger.Info("reloaded", "rules", len(p.set.Load().Rules))
}

// restartNeeded reports whether a configuration differs from the one in effect in what cannot be
// swapped.
func (p *process) restartNeeded(c *Config) bool {
	before, after := *p.config, *c
	after.Rules, after.Sigma, after.Notify = before.Rules, before.Sigma, before.Notify
	after.Web.Token, after.Web.ReadToken = before.Web.Token, before.Web.ReadToken
	return !reflect.DeepEqual(before, after) // secrets too, which YAML hides
}

// reloadOnSignal reloads whenever the process gets SIGHUP, until ctx is done.
func (p *process) reloadOnSignal(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.signals:
			_ = p.reload(ctx) // it was logged
		}
	}
}
