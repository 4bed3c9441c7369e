package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/internal/web"
)

// clusterPages are the rule files that are written on the pages of any member. The frames topic has
// them; each member keeps a copy in its data_dir, where the pages and a start read them.
type clusterPages struct {
	m    *clusterMember
	bell chan struct{} // the topic may have another edit

	mu      sync.Mutex       // guards what follows, and the copies
	written map[string]int64 // the edit of each copy
}

const (
	editPatience = 15 * time.Second
	syncAgain    = 5 * time.Second
	pagesNotKept = "the rules of the cluster's pages cannot be kept in data_dir; retrying"
)

func newClusterPages(m *clusterMember) *clusterPages {
	return &clusterPages{m: m, bell: make(chan struct{}, 1), written: map[string]int64{}}
}

// path is the copy of a file.
func (c *clusterPages) path(name string) string {
	return filepath.Join(c.m.p.config.ownRules(), name+cluster.PageSuffix)
}

// nameOf is the name of a file of the pages by its path; "" for other files.
func (c *clusterPages) nameOf(path string) string {
	name, is := strings.CutSuffix(filepath.Base(path), cluster.PageSuffix)
	if !is || filepath.Clean(filepath.Dir(path)) != filepath.Clean(c.m.p.config.ownRules()) {
		return ""
	}
	return name
}

// has reports whether a file that was read just now is one of the cluster's pages. Others in that
// directory are of this member alone, like those of its configuration.
func (c *clusterPages) has(f rule.File) bool {
	name := c.nameOf(f.Name)
	if name == "" || c.m.fold == nil {
		return false
	}
	c.m.mu.Lock()
	pages := c.m.fold.Pages()
	c.m.mu.Unlock()
	_, known := pages[name]
	if known {
		c.warnOfChange(pages, f)
	}
	return known
}

// run keeps the copies until ctx is done.
func (c *clusterPages) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.bell:
		}
		if err := c.sync(); err != nil {
			c.m.log.Error(pagesNotKept, "error", err)
			wait.Sleep(ctx, syncAgain)
			ring(c.bell)
		}
	}
}

// sync writes the copies of what has changed, and proposes the rules of our configuration beside
// them.
func (c *clusterPages) sync() error {
	m := c.m
	m.p.reloading.Lock()
	defer m.p.reloading.Unlock()
	m.mu.Lock()
	pages, r, inForce := m.fold.Pages(), m.proposal, m.fold.Rules().Pages
	m.mu.Unlock()
	if err := c.write(pages); err != nil {
		return err
	}
	r.Files = slices.DeleteFunc(slices.Clone(r.Files), func(f cluster.File) bool {
		_, known := pages[c.nameOf(f.Name)]
		return known
	})
	r.Pages = inForce
	set, err := m.setOf(r)
	if err != nil {
		// refuses says so where we lead
		m.log.Warn("the rules of this member's configuration do not go with those of the pages",
			"error", err)
		return nil
	}
	set, _ = m.p.lists.fill(set)
	if err := m.propose(set, r); err != nil {
		return err
	}
	ring(m.p.lists.bell)
	return nil
}

// write writes the copies of what has changed.
func (c *clusterPages) write(pages map[string]cluster.PageFile) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		p := pages[name]
		if at, done := c.written[name]; done && at == p.Edit {
			continue
		}
		c.warnOfOther(name, p)
		one := web.RuleCopy{Name: name, Text: []byte(p.Text)}
		if p.Removed {
			one.Text = nil
		}
		for _, v := range p.Versions {
			one.Versions = append(one.Versions, web.RuleVersion{At: v.At, Text: []byte(v.Text)})
		}
		if err := one.Write(c.m.p.config.ownRules()); err != nil {
			return err
		}
		c.written[name] = p.Edit
	}
	return nil
}

// warnOfOther says that a copy that is about to be replaced has a text that no member has written
// on the pages.
func (c *clusterPages) warnOfOther(name string, p cluster.PageFile) {
	text, err := os.ReadFile(c.path(name))
	if err != nil || string(text) == p.Text ||
		slices.ContainsFunc(p.Versions, func(v cluster.PageVersion) bool {
			return v.Text == string(text)
		}) {
		return
	}
	c.m.log.Warn("a rule file of the cluster's pages was changed by hand; it is replaced by the "+
		"text of the cluster: change it on the page of rules or by the API", "file", c.path(name))
}

// warnOfChange says that a rule file of the pages that was read just now is not what we have
// written.
func (c *clusterPages) warnOfChange(pages map[string]cluster.PageFile, f rule.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := c.nameOf(f.Name)
	p := pages[name]
	if at, done := c.written[name]; !done || at != p.Edit || string(f.Data) == p.Text {
		return
	}
	c.m.log.Warn("a rule file of the cluster's pages was changed by hand, which has no effect: "+
		"change it on the page of rules or by the API", "file", f.Name)
}

// errRulesUnknown is the error of an edit before the cluster has rules.
var errRulesUnknown = errors.New("the cluster has no rules in force yet, since no member leads; " +
	"try again in some seconds")

// save implements web.Options.SaveRules. The rules that are in force are checked with the change;
// when they have changed before it is in the topic, they are checked anew.
func (c *clusterPages) save(ctx context.Context, change web.RuleChange) error {
	ctx, cancel := context.WithTimeout(ctx, editPatience)
	defer cancel()
	m := c.m
	host, _ := os.Hostname()
	e := cluster.Edit{By: host, Remove: change.Text == nil}
	e.Name, e.Text = change.Name, string(change.Text)
	for {
		m.mu.Lock()
		base, file := m.fold.Rules(), m.fold.Pages()[e.Name]
		m.mu.Unlock()
		if base.Hash == 0 {
			return errRulesUnknown
		}
		e.Base = base.Hash
		// a copy that was this member's alone is replaced
		e.Adopt = file.At.IsZero()
		e.Unseen = change.Seen != "" && change.Seen != web.TextID(file.Text)
		var err error
		if e.Lists, err = c.check(ctx, base, e); err != nil {
			return err
		}
		offset, err := m.appendAndWait(ctx, cluster.EditRecord(m.self, e))
		if err != nil {
			return fmt.Errorf("the change is not in the topic %s yet: %w", m.home.Topic, err)
		}
		m.mu.Lock()
		done, _ := m.fold.TakeAnswer(offset)
		m.mu.Unlock()
		if done {
			return c.sync()
		}
	}
}

// check returns why rules cannot be in force with an edit, or the values of lists of topics that it
// brings.
func (c *clusterPages) check(
	ctx context.Context, base cluster.Rules, e cluster.Edit,
) (map[string][]string, error) {
	m := c.m
	set, err := m.setOf(base.With(e))
	if err != nil {
		return nil, err
	}
	if err := m.p.compiles(set); err != nil {
		return nil, err
	}
	m.p.reloading.Lock()
	defer m.p.reloading.Unlock()
	defer m.p.lists.keep(append(topicsOf(m.p.lists.rules()), topicsOf(set)...))
	if set, err = m.p.lists.prepareRules(ctx, set); err != nil {
		return nil, err
	}
	lists := map[string][]string{}
	for _, l := range set.TopicLists() {
		if _, known := base.Lists[l.Name]; !known && l.Values != nil {
			lists[l.Name] = l.Values
		}
	}
	return lists, nil
}

// compiles returns why rules cannot be evaluated: in a cluster they come in force when it is too
// late to refuse them.
func (p *process) compiles(set *rule.Set) error {
	trial := alerting.NewEngine(
		alerting.WithRules(&rule.Set{}),
		alerting.WithDecode(p.config.Format),
		alerting.WithLogger(slog.New(slog.DiscardHandler)),
	)
	return trial.SetRules(set)
}

// adopt makes rule files that were written on the pages before the topic had them those of the
// cluster, if we lead and they are in force.
func (c *clusterPages) adopt() {
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.notifies || m.inForce != m.proposal.Hash {
		return
	}
	own := slices.DeleteFunc(slices.Clone(m.proposal.Files), func(f cluster.File) bool {
		return c.nameOf(f.Name) == ""
	})
	if len(own) == 0 {
		return
	}
	pages, base := m.fold.Pages(), m.fold.Rules()
	for _, f := range own {
		e := cluster.Edit{Base: base.Hash, Adopt: true}
		e.Name, e.Text = c.nameOf(f.Name), f.Text
		if _, known := pages[e.Name]; known || !inForce(base, f) {
			continue
		}
		m.append(cluster.EditRecord(m.self, e), m.noted)
		return // the next one when this one counts
	}
}

// inForce reports whether a rule file is in force that may be one of the pages: others may name
// files of lists.
func inForce(r cluster.Rules, f cluster.File) bool {
	_, err := rule.Read(filepath.Base(f.Name), []byte(f.Text))
	return err == nil && slices.ContainsFunc(r.Files, func(o cluster.File) bool {
		return filepath.Base(o.Name) == filepath.Base(f.Name) && o.Text == f.Text
	})
}

// last is the last edit of a file, for the editor.
func (c *clusterPages) last(name string) (e web.RuleEdit, ok bool) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	p, ok := c.m.fold.Pages()[name]
	return web.RuleEdit{At: p.At, By: p.By, Unseen: p.Unseen}, ok && !p.Removed
}
