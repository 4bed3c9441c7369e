package web

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A rule is proposed for a log: its level, the constant part of its message, and a threshold above
// the busiest five minutes of the past day.
func TestProposal(t *testing.T) {
	f, o := newFake(t)
	f.records = nil
	at := func(i int, ago time.Duration, level, message string) {
		f.records = append(f.records, models.Record{
			Topic:     "logs",
			Offset:    int64(i),
			Timestamp: noon.Add(-ago),
			Value: fmt.Appendf(nil, `{"time":%q,"level":%q,"service":"pay","message":%q}`,
				noon.Add(-ago).Format(time.RFC3339), level, message),
		})
	}
	for i := range 40 {
		at(i, 181*time.Minute+time.Duration(i%10)*time.Second, "ERROR",
			fmt.Sprintf("order %d: payment declined by provider after %dms", i, 10*i))
	}
	at(40, time.Minute, "INFO", "0x1f 77")
	s := newServer(t, o)
	body := see(t, s, "/rules/edit?topic=logs&partition=0&offset=7",
		"match: &#39;level&gt;=ERROR &#34;payment declined by provider after&#34;&#39;",
		"when: count() &gt; 60", "by: [service]",
		"# 40 logs matched in the last 24 hours, at most 40 in 5 minutes of one service.",
		"alert: PaymentDeclinedByProviderAfterPay", "mode: shadow")
	if strings.Contains(body, `class="problem"`) {
		t.Error("the proposal has problems")
	}
	see(t, s, "/rules/edit?topic=logs&partition=0&offset=40", "match: &#39;service:pay&#39;",
		"alert: Pay")
	if code, _ := do(s, "GET", "/rules/edit?topic=secret&partition=0&offset=7", ""); code != 404 {
		t.Errorf("a log of another topic is %d", code)
	}
}

// Every proposal is a valid rule, whatever the log says.
func TestProposalsAreValid(t *testing.T) {
	for name, text := range hostile {
		e := models.LogEntry{Level: "ERROR", Service: text[:min(len(text), 300)], Message: text}
		p := proposalFor(e)
		p.When = "count() > 3"
		if _, err := rule.Read("x", []byte(p.text())); err != nil {
			t.Errorf("%s: %v\n%s", name, err, p.text())
		}
	}
}

// Replaced texts of a rule file are kept, shown with their difference, and bounded.
func TestVersions(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	text := newRuleText("service:shop")
	for i := range keptVersions + 3 {
		one := strings.ReplaceAll(text, "> 10", fmt.Sprint("> ", 10+i))
		if status, _, body := post(t, s, "/rules/edit", "name", "shop", "text", one, "do",
			"live"); status != 303 {
			t.Fatalf("saving is %d %.300s", status, body)
		}
	}
	list, err := (&ruleFiles{dir: o.RulesDir}).versions("shop", text)
	if err != nil || len(list) != keptVersions ||
		!strings.Contains(list[0].Text, fmt.Sprint("> ", 10+keptVersions+1)) {
		t.Fatalf("%d versions, %v", len(list), err)
	}
	see(t, s, "/rules/edit?name=shop", "Versions <small>20",
		`<span class="gone">-         when: count() &gt; 31`,
		`<span class="plus">&#43;         when: count() &gt; 32`, "Load this version")
	if got := diff("a\nb\nc", "a\nx\nc"); len(got) != 4 || got[1] != (diffLine{"-", "b"}) ||
		got[2] != (diffLine{"+", "x"}) {
		t.Errorf("the difference is %v", got)
	}
	entries, _ := filepath.Glob(filepath.Join(o.RulesDir, "*.rules.yml"))
	if len(entries) != 1 {
		t.Errorf("versions are among the rules: %v", entries)
	}
	if info, err := os.Stat(o.RulesDir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v, %v", info.Mode(), err)
	}
}

// What the engine cannot compute is refused where it is written, and not when it is loaded.
func TestValidateComputes(t *testing.T) {
	_, o := newFake(t)
	o.CheckRule = alerting.CheckCompiles
	s := newServer(t, o)
	text := newRuleText("a:b")
	if _, body := do(s, "POST", "/api/v1/validate", text); !strings.Contains(
		body, `"valid":true`) {
		t.Errorf("it says %s", body)
	}
	text = strings.Replace(text, "{{ .Value }}", `{{ printf "%99999d" 1 }}`, 1)
	_, body := do(s, "POST", "/api/v1/validate", text)
	if !strings.Contains(body, `"valid":false`) || !strings.Contains(body, "pads a text") {
		t.Errorf("it says %s", body)
	}
}

// The editor says who would be notified, and read-only users why they cannot save.
func TestEditorSays(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	text := strings.ReplaceAll(newRuleText("a:b"), "mode: shadow", "mode: live")
	_, body := do(s, "POST", "/api/v1/validate", strings.ReplaceAll(text, "severity: warning",
		"severity: page"))
	if !strings.Contains(body, `"notifies":["pager"]`) {
		t.Errorf("it says %s", body)
	}
	o.ReadOnly = true
	see(t, newServer(t, o), "/rules/edit?match="+url.QueryEscape("a:b"),
		"read-only (web.read_only)")
	o.ReadOnly, o.Tokens = false, []Token{{writeToken, Writer}}
	see(t, newServer(t, o), "/rules/edit", "needs the writer role")
}
