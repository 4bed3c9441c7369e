package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/suggest"
)

// suggestHandlers serve the page of proposed rules.
type suggestHandlers struct {
	topics     *topics
	backtester *backtester
	editor     *editorHandlers
	state      *engineState
	coverage   func() FieldCoverage // nil for none
	limit      *limit               // of backtests, which a search for proposals ends with
	pages      *pages
	now        func() time.Time
}

func (h *suggestHandlers) routes() []route {
	return []route{
		{"GET /suggest", Reader, costly, h.pages.handler(h.page)},
		{"POST /suggest", Reader, costly, h.pages.handler(h.take)},
	}
}

// FieldCoverage compares the fields that rules reference with those of sampled logs.
type FieldCoverage struct {
	Logs         int                 // that were sampled since the start
	Rejected     int                 // sampled records that could not be read
	Absent       []AbsentField       // some of them
	Rules        []AbsentFields      // some of the rules that have any
	Unreferenced []UnreferencedField // the most frequent of the last sampled logs
	// all of them
	AbsentTotal, UnreferencedTotal int
}

// AbsentField is a field that a rule references, or several of which any will do, and that no
// sampled log has.
type AbsentField struct{ Rule, Field string }

// AbsentFields is how many absent fields a rule has.
type AbsentFields struct {
	Rule   string
	Fields int
}

// UnreferencedField is a field that no rule references, and how many of the sampled logs have it.
type UnreferencedField struct {
	Field   string
	Percent int
}

const (
	suggestTime = 15 * time.Second // to read the past
	suggestLogs = 200_000          // that are read; a record may have many
	// rules that are taken into the editor, in bytes
	maxTaken = 256 << 10
)

// suggestData is the data of the page of proposed rules.
type suggestData struct {
	Since    string
	Ranges   []string
	Asked    bool
	Problem  string
	Logs     int
	From, To time.Time
	Short    bool // not all was read
	Partial  bool // the backtest did not reach the end
	List     []suggestedRule
	Coverage *FieldCoverage
}

// suggestedRule is a proposal with what it would have done.
type suggestedRule struct {
	suggest.Proposal
	Text    string // in YAML
	Fired   int
	Already bool // a rule of this name exists
}

func (h *suggestHandlers) page(w http.ResponseWriter, r *http.Request) error {
	d := suggestData{Since: r.FormValue("since"), Asked: r.FormValue("since") != "",
		Ranges: []string{"15m", "1h", "24h", "7d"}}
	if h.coverage != nil {
		c := h.coverage()
		d.Coverage = &c
	}
	if d.Since == "" {
		d.Since = "1h"
	}
	if d.Asked {
		free, err := h.limit.take(clientOf(r))
		if err != nil {
			return err
		}
		defer free()
		if err := h.suggest(r.Context(), w, &d); err != nil {
			d.Problem = err.Error()
			if known, ok := errors.AsType[*apiError](err); ok {
				d.Problem = known.text
			}
		}
	}
	h.pages.render(w, r, http.StatusOK, "suggest", view{Title: "Suggest", Page: "rules", Data: d})
	return nil
}

// suggest proposes rules for past logs, and backtests them.
func (h *suggestHandlers) suggest(
	ctx context.Context, w http.ResponseWriter, d *suggestData,
) error {
	if h.topics.logs == nil {
		return missing("the topics")
	}
	since, err := parseSince(d.Since, time.Hour, h.now())
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).
		SetWriteDeadline(time.Now().Add(suggestTime + backtestTime + 10*time.Second))
	profile, err := suggest.NewProfile(h.topics.logs.Decode)
	if err != nil {
		return err
	}
	until := h.now()
	reading, cancel := context.WithTimeout(ctx, suggestTime)
	defer cancel()
	for record, err := range h.topics.logs.Records(reading, From{Time: since, Until: until}) {
		if err != nil {
			if reading.Err() != nil && ctx.Err() == nil && profile.Logs > 0 {
				d.Short = true
				break
			}
			return err
		}
		if err := profile.Add(&record); err != nil {
			return err
		}
		if profile.Logs >= suggestLogs {
			d.Short = true
			break
		}
	}
	d.Logs, d.From, d.To = profile.Logs, profile.From, profile.To
	proposals := profile.Proposals()
	if len(proposals) == 0 {
		return nil
	}
	text, err := suggest.RuleFile("", proposals, func(suggest.Proposal) string { return "" })
	if err != nil {
		return err
	}
	set, err := rule.Read("suggested", text)
	if err != nil {
		return err
	}
	result, err := h.backtester.run(ctx, w, set, since, nil)
	if err != nil {
		return err
	}
	d.Partial = result.Truncated
	tested := report(set, result, since, until).Rules
	taken := h.state.ruleSet()
	for _, p := range proposals {
		one := suggestedRule{Proposal: p, Already: slices.ContainsFunc(
			taken.Rules, func(r *rule.Rule) bool { return r.Name == p.Alert },
		)}
		if one.Text, err = suggest.RuleText(p); err != nil {
			return err
		}
		for _, t := range tested {
			if t.Rule == p.ID {
				one.Fired = t.Fired
			}
		}
		d.List = append(d.List, one)
	}
	return nil
}

// take opens the editor with rules that were proposed. It saves nothing.
func (h *suggestHandlers) take(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return &apiError{http.StatusBadRequest, "the form cannot be read"}
	}
	chosen, size := r.PostForm["rule"], 0
	for _, one := range chosen {
		size += len(one)
	}
	if size == 0 || size > maxTaken {
		return badRequest("choose one or more of the proposed rules")
	}
	text, err := suggest.JoinRules(chosen)
	if err != nil {
		return badRequest("rule: %s", err)
	}
	d := editorData{
		CanSave: h.editor.files.writable(),
		Name:    freeName(h.editor.files.list(), "suggested"),
		Text:    string(text),
	}
	h.editor.show(w, r, http.StatusOK, d, "")
	return nil
}
