package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// pagedMember makes a program a member of a cluster that serves pages, whose rules are in a file.
func (w *world) pagedMember(p *process) {
	file := filepath.Join(w.dir, "shop.rules.yml")
	if err := os.WriteFile(file, []byte(w.rules), 0o600); err != nil {
		w.t.Fatal(err)
	}
	p.config.Cluster.Enabled, p.config.Rules = true, []Path{Path(file)}
	p.config.Cluster.SnapshotEvery = 20 * time.Second
	p.config.Web.Listen = fmt.Sprintf("127.0.0.1:%d", 8000+len(p.config.DataDir)+
		int(p.config.DataDir[len(p.config.DataDir)-1]))
	p.rules, p.ruleTexts, p.network.listen = loadRules, readRuleTexts, w.network.Listen
}

// ask sends a request to the pages of a member. A body that begins like JSON is sent as such, one
// of version: as YAML, and any other as a form.
func (r *run) ask(method, path, body string, status int) string {
	r.w.t.Helper()
	request := httptest.NewRequestWithContext(r.w.t.Context(), method, "http://localhost"+path,
		strings.NewReader(body))
	switch {
	case strings.HasPrefix(body, "{"):
		request.Header.Set("Content-Type", "application/json")
	case strings.HasPrefix(body, "version:"):
		request.Header.Set("Content-Type", "application/yaml")
	case body != "":
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer := httptest.NewRecorder()
	r.server.ServeHTTP(answer, request)
	if answer.Code != status {
		r.w.t.Errorf("%s %s at %s is %d, not %d: %.400s", method, path, filepath.Base(r.dir),
			answer.Code, status, answer.Body)
	}
	return answer.Body.String()
}

// mine is a rule file of the pages.
func mine(name string) string {
	return strings.NewReplacer("name: shop", "name: "+name, "alert: Errors", "alert: Mine",
		"> 10", "> 1000").Replace(errorRules)
}

// What is written into a member's copy of a rule file of the pages has no effect, and the log says
// so: when it is read, and when it is replaced. A copy as some member has written it is no reason.
func TestCopyChangedByHandIsLogged(t *testing.T) {
	var log bytes.Buffer
	p := &process{config: &Config{DataDir: Path(t.TempDir())}}
	c := newClusterPages(&clusterMember{p: p, log: slog.New(slog.NewTextHandler(&log, nil))})
	pages := func(edit int64, text string, before ...string) map[string]cluster.PageFile {
		f := cluster.PageFile{Edit: edit, Text: text}
		for i, one := range before {
			f.Versions = append(f.Versions, cluster.PageVersion{
				At: time.Unix(int64(i), 0), Text: one,
			})
		}
		return map[string]cluster.PageFile{"mine": f}
	}
	write := func(pages map[string]cluster.PageFile) {
		t.Helper()
		if err := c.write(pages); err != nil {
			t.Fatal(err)
		}
	}
	said := func(what string, is bool) {
		t.Helper()
		if strings.Contains(log.String(), "changed by hand") != is ||
			is && !strings.Contains(log.String(), c.path("mine")) {
			t.Errorf("%s, the log says %q", what, log.String())
		}
		log.Reset()
	}
	first, second := pages(1, "one"), pages(2, "two", "one")
	write(first)
	c.warnOfChange(first, rule.File{Name: c.path("mine"), Data: []byte("one")})
	c.warnOfChange(second, rule.File{Name: c.path("mine"), Data: []byte("one")})
	write(second)
	said("when nobody has changed a copy", false)
	c.warnOfChange(second, rule.File{Name: c.path("mine"), Data: []byte("by hand")})
	said("when a change is read", true)
	if err := os.WriteFile(c.path("mine"), []byte("by hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(pages(3, "three", "one", "two"))
	said("when a change is replaced", true)
}

// manualRules are errorRules with alerts that are resolved by hand.
const manualRules = errorRules + "    resolve: manual\n"

// What a user changes at one member is seen at all others, after a restart, and at a member that
// begins with an empty directory.
func TestChangesAtAnyMember(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		w.rules = manualRules
		list := []*run{w.start("a", w.pagedMember), w.start("b", w.pagedMember),
			w.start("c", w.pagedMember)}
		b := w.without(list, leader(list))[0]
		for _, service := range []string{"acked", "unacked", "commented", "done", "quiet"} {
			w.spread(service, 12)
		}
		time.Sleep(2 * time.Second)
		ids := map[string]string{}
		for _, a := range b.state.Alerts() {
			ids[a.Labels["service"]] = a.ID
		}
		form := func(pairs ...string) string {
			v := url.Values{}
			for i := 0; i < len(pairs); i += 2 {
				v.Set(pairs[i], pairs[i+1])
			}
			return v.Encode()
		}
		silence := `{"matchers":[{"name":"service","value":"%s","isRegex":false,"isEqual":true}],` +
			`"startsAt":"` + time.Now().UTC().Format(time.RFC3339) + `","endsAt":"` +
			time.Now().UTC().Add(9*time.Hour).Format(time.RFC3339) +
			`","createdBy":"me","comment":"%s"}`
		silenced := func(r *run, comment string) string {
			var all []struct {
				ID, Comment string
				Status      struct{ State string }
			}
			if err := json.Unmarshal([]byte(r.ask("GET", "/api/v2/silences", "", 200)),
				&all); err != nil {
				w.t.Fatal(err)
			}
			for _, one := range all {
				if one.Comment == comment {
					return one.Status.State
				}
			}
			return "none"
		}
		idOf := func(answer string) string {
			var a struct{ SilenceID string }
			if err := json.Unmarshal([]byte(answer), &a); err != nil {
				w.t.Fatal(err)
			}
			return a.SilenceID
		}
		has := func(path string, texts ...string) func(r *run) string {
			return func(r *run) string {
				body := r.ask("GET", path, "", 200)
				for _, text := range texts {
					if not, is := strings.CutPrefix(text, "!"); is == strings.Contains(body, not) {
						return fmt.Sprintf("%s has not %q: %.1500s", path, text, body)
					}
				}
				return ""
			}
		}
		state := func(comment, want string) func(r *run) string {
			return func(r *run) string {
				if is := silenced(r, comment); is != want {
					return "the silence is " + is + ", want " + want
				}
				return ""
			}
		}
		b.ask("PUT", "/api/v1/rulefiles/gone", mine("gone"), 200)
		b.ask("PUT", "/api/v1/rulefiles/moded", mine("moded"), 200)
		changes := []struct {
			what string
			do   func()
			see  func(r *run) string // "" if it is seen
		}{
			{"a rule file is written", func() {
				b.ask("PUT", "/api/v1/rulefiles/mine", mine("mine"), 200)
			}, has("/api/v1/rulefiles/mine", `"rules":["mine/Mine"]`)},
			{"a rule is written in the editor", func() {
				b.ask("POST", "/rules/edit", form("name", "edited", "do", "shadow", "text",
					mine("edited")), 303)
			}, has("/api/v1/rulefiles/edited", "edited/Mine", `"read_only":false`)},
			{"a rule is written once more", func() {
				b.ask("POST", "/rules/edit", form("name", "edited", "do", "live", "text",
					mine("edited")), 303)
			}, has("/rules/edit?name=edited", "Versions", "mode: shadow")},
			{"the mode of a file changes", func() {
				b.ask("PUT", "/api/v1/rulefiles/moded/mode", `{"mode":"off"}`, 200)
			}, has("/api/v1/rulefiles/moded", `"mode":"off"`)},
			{"a rule file is removed", func() {
				b.ask("DELETE", "/api/v1/rulefiles/gone", "", 200)
			}, has("/api/v1/rulefiles", "!gone")},
			{"a silence is made", func() {
				b.ask("POST", "/api/v2/silences", fmt.Sprintf(silence, "x", "kept"), 200)
			}, state("kept", "active")},
			{"a silence is expired", func() {
				id := idOf(b.ask("POST", "/api/v2/silences", fmt.Sprintf(silence, "y", "ended"), 200))
				time.Sleep(time.Second)
				b.ask("DELETE", "/api/v2/silence/"+id, "", 200)
			}, state("ended", "expired")},
			{"an alert is acknowledged", func() {
				b.ask("POST", "/api/v1/alerts/"+ids["acked"]+"/ack", `{"by":"ann","comment":"mine"}`,
					200)
			}, has("/api/v1/alerts/"+ids["acked"], `"alert acknowledged"`, "ann")},
			{"an acknowledgement is removed", func() {
				b.ask("POST", "/api/v1/alerts/"+ids["unacked"]+"/ack", `{"by":"ann"}`, 200)
				b.ask("DELETE", "/api/v1/alerts/"+ids["unacked"]+"/ack?by=bob", "", 200)
			}, has("/api/v1/alerts/"+ids["unacked"], `"acknowledgement removed"`, "bob")},
			{"a comment is written", func() {
				b.ask("POST", "/api/v1/alerts/"+ids["commented"]+"/comments",
					`{"by":"cid","text":"a wide net"}`, 200)
			}, has("/api/v1/alerts/"+ids["commented"], "a wide net", "cid")},
			{"an alert is resolved by hand", func() {
				b.ask("POST", "/api/v1/alerts/"+ids["done"]+"/resolve", `{"by":"dan"}`, 200)
			}, has("/api/v1/alerts/"+ids["done"], `"state":"resolved"`, "dan")},
			{"an alert is silenced with others", func() {
				b.ask("POST", "/alerts/bulk", form("alert", ids["quiet"], "do", "silence", "for", "2h",
					"by", "eve", "comment", "in bulk"), 303)
			}, state("in bulk", "active")},
			{"notifications are sent", func() {}, has("/api/v1/alerts/"+ids["commented"],
				`"receiver":"hook"`, `"sent":true`)},
			{"receivers show them", func() {}, has("/receivers", "<b>sent</b>")},
			{"the audit trail", func() {}, has("/api/v1/audit", "rule file removed",
				"rules written", "comment", "silence expired", "rule file saved")},
		}
		for _, c := range changes {
			c.do()
		}
		time.Sleep(5 * time.Second)
		check := func(when string, list ...*run) {
			t.Helper()
			for _, r := range list {
				for _, c := range changes {
					if wrong := c.see(r); wrong != "" {
						t.Errorf("%s, at %s: %s: %s", when, filepath.Base(r.dir), c.what, wrong)
					}
				}
			}
		}
		check("after the changes", list...)
		c := w.without(w.without(list, leader(list)), b)[0]
		c.end()
		again := w.start(filepath.Base(c.dir), w.pagedMember)
		check("after a restart", again)
		again.kill("killed")
		again = w.start("killed", w.pagedMember)
		check("after a kill", again)
		time.Sleep(time.Minute) // for snapshots, and the deletion of the frames before them
		empty := w.start("empty", w.pagedMember)
		if !strings.Contains(empty.out.String(), "a snapshot of the cluster is the state") {
			t.Error("the empty member has not joined from a snapshot")
		}
		check("at an empty member", empty)
		for _, r := range append(w.without(list, c), again, empty) {
			r.end()
		}
	})
}

// Of two changes of a file at two members the later in the topic is in force, and says that its
// author had not seen the other one, which is among the versions. Rules that do not go with those
// in force are refused, whoever writes them.
func TestConcurrentEdits(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		list := []*run{w.start("a", w.pagedMember), w.start("b", w.pagedMember),
			w.start("c", w.pagedMember)}
		a, b, c := list[0], list[1], list[2]
		a.ask("PUT", "/api/v1/rulefiles/mine", mine("mine"), 200)
		time.Sleep(time.Second)
		form := func(r *run, text string) string {
			page := r.ask("GET", "/rules/edit?name=mine", "", 200)
			_, seen, _ := strings.Cut(page, `name="seen" value="`)
			seen, _, _ = strings.Cut(seen, `"`)
			return url.Values{
				"name": {"mine"}, "do": {"live"}, "seen": {seen}, "text": {text},
			}.Encode()
		}
		text := func(n int) string {
			return strings.ReplaceAll(mine("mine"), "> 1000", fmt.Sprint("> ", n))
		}
		first, second := form(b, text(2001)), form(c, text(2002))
		var both sync.WaitGroup
		both.Go(func() { b.ask("POST", "/rules/edit", first, 303) })
		both.Go(func() { c.ask("POST", "/rules/edit", second, 303) })
		both.Wait()
		time.Sleep(time.Second)
		won := a.ask("GET", "/api/v1/rulefiles/mine", "", 200)
		for _, r := range list {
			if is := r.ask("GET", "/api/v1/rulefiles/mine", "", 200); textIn(t, is) != textIn(t, won) {
				t.Errorf("%s has %s, and another member %s", filepath.Base(r.dir), is, won)
			}
			page := r.ask("GET", "/rules/edit?name=mine", "", 200)
			for _, has := range []string{"had not seen", "2001", "2002"} {
				if !strings.Contains(page, has) {
					t.Errorf("the editor of %s does not say %q", filepath.Base(r.dir), has)
				}
			}
		}
		c.ask("POST", "/rules/edit", form(c, text(3000)), 303)
		if strings.Contains(c.ask("GET", "/rules/edit?name=mine", "", 200), "had not seen") {
			t.Error("an edit of the text that was there says that its author had not seen it")
		}
		twice := strings.NewReplacer("name: mine", "name: shop", "alert: Mine", "alert: Errors").
			Replace(mine("mine"))
		for _, r := range list {
			r.ask("PUT", "/api/v1/rulefiles/twice", twice, 422)
			r.ask("PUT", "/api/v1/rulefiles/wrong", strings.ReplaceAll(mine("x"), "count()",
				"p200(a)"), 422)
			r.ask("DELETE", "/api/v1/rulefiles/none", "", 404)
			if n := len(r.set.Load().Rules); n != 2 {
				t.Errorf("%d rules are in force, want 2", n)
			}
		}
		for _, r := range list {
			r.end()
		}
	})
}

func textIn(t *testing.T, answer string) string {
	t.Helper()
	var file struct{ Text string }
	if err := json.Unmarshal([]byte(answer), &file); err != nil {
		t.Fatal(err)
	}
	return file.Text
}

// The rule files of the pages and those of the configuration change apart from each other: a member
// with another configuration takes part in the former, and a rolling update switches the latter
// once, beside them.
func TestPagesBesideConfiguration(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		list := []*run{w.start("a", w.pagedMember), w.start("b", w.pagedMember)}
		inForce := func(what string, want int) {
			t.Helper()
			for _, r := range list {
				if n := len(r.set.Load().Rules); n != want {
					t.Errorf("%s: %d rules are in force at %s, want %d", what, n,
						filepath.Base(r.dir), want)
				}
			}
		}
		w.rules += `  - {alert: Warnings, match: level>=WARN, when: count() > 3, window: 1m, by: [level]}
`
		other := w.start("c", w.pagedMember)
		list = append(list, other)
		inForce("with other files at one member", 1)
		other.ask("PUT", "/api/v1/rulefiles/mine", mine("mine"), 200)
		time.Sleep(time.Second)
		inForce("with a rule of the pages of that member", 2)
		for _, r := range list[:2] {
			if err := r.reload(w.t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		inForce("with the same files at all", 3)
		list[0].ask("DELETE", "/api/v1/rulefiles/mine", "", 200)
		time.Sleep(10 * time.Second)
		inForce("without the rule of the pages", 2)
		for _, r := range list {
			m := r.state.cluster
			m.mu.Lock()
			if n := m.differ(); n != 0 {
				t.Errorf("%d members differ", n)
			}
			m.mu.Unlock()
		}
		// a name that the configuration brings is taken by the pages already
		list[0].ask("PUT", "/api/v1/rulefiles/mine", mine("mine"), 200)
		time.Sleep(time.Second)
		before := w.rules
		w.rules += strings.SplitAfter(mine("mine"), "groups:\n")[1]
		file := filepath.Join(w.dir, "shop.rules.yml")
		if err := os.WriteFile(file, []byte(w.rules), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if err := r.reload(w.t.Context()); err == nil {
				t.Error("rules that are there twice are loaded")
			}
		}
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		inForce("after reloads that are refused", 3)
		for _, r := range list {
			r.end()
		}
	})
}

// Rule files that an instance has on its pages go with it into a cluster, are those of all members
// then, and are there when it leaves the cluster.
func TestPagesIntoClusterAndBack(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		alone := func(p *process) { w.pagedMember(p); p.config.Cluster.Enabled = false }
		a := w.start("a", alone)
		a.ask("PUT", "/api/v1/rulefiles/mine", mine("mine"), 200)
		a.end()
		a = w.start("a", w.pagedMember)
		time.Sleep(time.Minute)
		b := w.start("b", w.pagedMember)
		for _, r := range []*run{a, b} {
			if is := r.ask("GET", "/api/v1/rulefiles/mine", "", 200); !strings.Contains(is, "mine/Mine") {
				t.Errorf("%s has %s", filepath.Base(r.dir), is)
			}
		}
		b.ask("PUT", "/api/v1/rulefiles/more", mine("more"), 200)
		a.end()
		b.ask("DELETE", "/api/v1/rulefiles/mine", "", 200)
		b.end()
		a = w.start("a", alone)
		a.ask("GET", "/api/v1/rulefiles/more", "", 200)
		a.ask("GET", "/api/v1/rulefiles/mine", "", 404)
		if n := len(a.set.Load().Rules); n != 2 {
			t.Errorf("%d rules are in force at the instance, want 2", n)
		}
		a.end()
	})
}

// What a leader knows of its own deliveries stands once beside what it has passed on.
func TestOurDeliveriesStandOnce(t *testing.T) {
	at := time.Unix(1e9, 0)
	one := func(after time.Duration, sent bool, detail string) notify.Delivery {
		return notify.Delivery{
			At: at.Add(after), State: "firing", Receiver: "r", Integration: "webhook[0]", Sent: sent,
			Detail: detail,
		}
	}
	all := []notify.Delivery{
		one(0, false, "refused"), one(time.Minute, true, "accepted after 1ms"),
	}
	ours := []notify.Delivery{
		one(50*time.Second, false, "refused (5 times)"),
		one(time.Minute-time.Microsecond, true, "accepted, before the restart"),
		one(time.Hour, true, "accepted after 2ms"),
	}
	want := []notify.Delivery{ours[0], all[1], ours[2]}
	if got := (&clusterNotes{}).withOurs(all, ours); !slices.Equal(got, want) {
		t.Errorf("the deliveries are %v, want %v", got, want)
	}
}

// A follower shows a receiver as failing as long as the leader's last delivery of an integration
// failed, since the first failure.
func TestFailingReceivers(t *testing.T) {
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	var list []notify.Delivery
	put := func(receiver, integration, detail string) {
		list = append(list, notify.Delivery{
			At: at.Add(time.Duration(len(list)) * time.Second), Receiver: receiver,
			Integration: integration, Detail: detail, Sent: detail == "",
		})
	}
	put("ops", "webhook[0]", "refused")
	put("chat", "slack[0]", "away")
	put("ops", "email[0]", "")
	put("ops", "webhook[0]", "still refused")
	put("chat", "slack[0]", "")
	put("quiet", "", "silenced")
	want := map[string]failure{"ops": {"webhook[0]", at, "still refused"}}
	if got := failingReceivers(list); !maps.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
