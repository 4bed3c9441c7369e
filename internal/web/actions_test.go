package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// An acknowledgement names its author, can be taken back, and stands in the timeline, with
// comments.
func TestAcknowledgeAndComment(t *testing.T) {
	f, o := newFake(t)
	s := newServer(t, o)
	post(t, s, "/alerts/a1/ack", "by", "ada", "to", "/alerts/a1")
	see(t, s, "/alerts/a1", "acknowledged by ada", "alert acknowledged by ada", ">Unacknowledge<")
	post(t, s, "/alerts/a1/comment", "by", "eve", "text", "restarting <b>it</b>")
	see(t, s, "/alerts/a1", "restarting &lt;b&gt;it&lt;/b&gt;", "eve")
	if status, to, _ := post(t, s, "/alerts/a1/unack", "by", "ada", "to", "/alerts/a1"); status != 303 ||
		to != "/alerts/a1" ||
		f.silences[0].State() != "expired" {
		t.Errorf("taking it back is %d, to %s", status, to)
	}
	see(t, s, "/alerts/a1", "!>Unacknowledge<", "acknowledgement removed")
	if status, _, _ := post(t, s, "/alerts/a1/unack"); status != 404 {
		t.Errorf("taking back nothing is %d", status)
	}
	if status, _, _ := post(t, s, "/alerts/a1/comment", "text", strings.Repeat("x", maxComment+1)); status != 400 {
		t.Errorf("a long comment is %d", status)
	}
}

// Several alerts are acknowledged or silenced at once.
func TestBulkActions(t *testing.T) {
	f, o := newFake(t)
	f.fire("a2", "payment-worker")
	s := newServer(t, o)
	send := func(form url.Values) int {
		code, _ := do(s, "POST", "/alerts/bulk", form.Encode(),
			"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
		return code
	}
	if code := send(url.Values{"alert": {"a1", "a2"}, "do": {"ack"}, "by": {"ada"}}); code != 303 ||
		len(f.silences) != 2 {
		t.Errorf("it is %d, and there are %d silences", code, len(f.silences))
	}
	see(t, s, "/?state=muted", "acknowledged by ada")
	if code := send(url.Values{
		"alert": {"a1", "a2"}, "do": {"silence"}, "by": {"ada"}, "for": {"1h"},
	}); code != 303 ||
		len(f.silences) != 4 {
		t.Errorf("it is %d, and there are %d silences", code, len(f.silences))
	}
	if one := f.silences[3]; one.EndsAt.Sub(one.StartsAt) != time.Hour || len(one.Matchers) != 3 {
		t.Errorf("it is %+v", one)
	}
	for _, bad := range []url.Values{
		{"do": {"ack"}}, {"alert": {"a1"}, "do": {"x"}},
		{"alert": make([]string, maxBulk+1), "do": {"ack"}},
		{"alert": {"a1"}, "do": {"silence"}, "for": {"x"}},
	} {
		if code := send(bad); code != 400 {
			t.Errorf("%d of it are %d", len(bad["alert"]), code)
		}
	}
}

// A form with an error is shown again with what was entered, and a silence can be changed.
func TestSilenceForm(t *testing.T) {
	f, o := newFake(t)
	s := newServer(t, o)
	entered := []string{
		"matchers",
		"service=x",
		"for",
		"long",
		"by",
		"ada",
		"comment",
		"the reason",
	}
	status, _, body := post(t, s, "/silences", entered...)
	for _, want := range []string{
		`role="alert"`, "service=x", `value="long"`, `value="ada"`, `value="the reason"`,
		"is not a duration",
	} {
		if status != 400 || !strings.Contains(body, want) {
			t.Errorf("%d, %q is missing", status, want)
		}
	}
	code, part := do(s, "POST", "/silences", "matchers=&for=1h", "X-Part", "form",
		"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
	if code != 400 || !strings.HasPrefix(part, "<form") {
		t.Errorf("in a dialog it is %d %.100s", code, part)
	}
	post(
		t,
		s,
		"/silences",
		"matchers",
		"service=x",
		"from",
		"2026-03-02T13:00",
		"until",
		"2026-03-02T15:30",
		"by",
		"ada",
		"comment",
		"later",
	)
	one := f.silences[0]
	if one.StartsAt.Hour() != 13 || one.EndsAt.Hour() != 15 || one.EndsAt.Minute() != 30 {
		t.Errorf("it lasts from %v to %v", one.StartsAt, one.EndsAt)
	}
	see(
		t,
		s,
		"/silences?edit="+one.ID,
		"Edit silence",
		"2026-03-02T15:30",
		"later",
		`value="`+one.ID+`"`,
	)
	if code, part := do(s, "GET", "/silences/form?edit="+one.ID, ""); code != 200 ||
		!strings.HasPrefix(part, "<form") {
		t.Errorf("the form is %d %.100s", code, part)
	}
	if code, part := do(s, "GET", "/silences/form?alert=a1", ""); code != 200 ||
		!strings.Contains(part, "payment-service") {
		t.Errorf("the form of an alert is %d %.100s", code, part)
	}
	post(
		t,
		s,
		"/silences",
		"id",
		one.ID,
		"matchers",
		"service=x",
		"for",
		"1h",
		"by",
		"ada",
		"comment",
		"changed",
	)
	if f.silences[1].Comment != "changed" {
		t.Errorf("it is %+v", f.silences)
	}
	for _, bad := range [][]string{
		{"matchers", "a=b", "until", "2026-03-02T11:00"}, {"matchers", "a=b", "until", "soon"},
		{"matchers", "a=b", "from", "soon", "for", "1h"},
		{"matchers", "a=b", "until", "2036-03-02T11:00"},
	} {
		if status, _, _ := post(t, s, "/silences", bad...); status != 400 {
			t.Errorf("%v is %d", bad, status)
		}
	}
}

// Alerts are grouped by any label, and sorted.
func TestGroupAndSort(t *testing.T) {
	f, o := newFake(t)
	f.fire("a2", "payment-worker")
	f.current[1].Labels["region"], f.current[1].StartsAt = "north", noon.Add(-time.Hour)
	s := newServer(t, o)
	body := see(
		t,
		s,
		"/?groupby=service",
		"service=payment-service</h2>",
		"service=payment-worker</h2>",
		`<option value="region"`,
	)
	if strings.Count(body, `class="group `) != 2 {
		t.Error("there are not two groups")
	}
	see(t, s, "/?groupby=region&sort=newest", "region=north</h2>", "region=</h2>")
	body = see(t, s, "/?sort=newest")
	if strings.Index(body, "payment-service") > strings.Index(body, "payment-worker") {
		t.Error("the newest is not the first")
	}
}

// The values of an alert have names: now, peak, and when it fired.
func TestValues(t *testing.T) {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	series := []Point{{at(-99), 999}, {at(1), 12}, {at(2), 40}, {at(3), 20}, {at(9), 5}}
	firing := models.Alert{
		State:     models.AlertFiring,
		At:        at(1),
		StartsAt:  at(0),
		Value:     11,
		Threshold: "> 10",
	}
	f := func(a models.Alert, want alertValues) {
		t.Helper()
		if got := valuesOf(a, []models.Alert{firing}, series); got != want {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
	f(firing, alertValues{11, 11, 40})
	now := firing // the series is up to ten seconds behind
	now.Value = 41
	f(now, alertValues{41, 11, 41})
	resolved := firing
	resolved.State, resolved.At, resolved.Value = models.AlertResolved, at(3), 0
	f(resolved, alertValues{0, 11, 40})
	low := firing
	low.Threshold = "< 100"
	f(low, alertValues{11, 11, 5})
	page := firing // the severity rose in the meantime
	page.At, page.Value = at(2), 40
	want := alertValues{40, 11, 40}
	if got := valuesOf(page, []models.Alert{firing, page}, nil); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
}

// Annotations are links only if the rule's author wrote their host.
func TestLinksOfAnnotations(t *testing.T) {
	f, o := newFake(t)
	s := newServer(t, o)
	r := f.set.Rules[0]
	r.Annotations = map[string]string{
		"runbook_url": "https://wiki.example/{{ .Labels.service }}",
		"dashboard":   "https://{{ .Labels.host }}/d",
		"evil":        "{{ .Labels.url }}", "text": "see https://wiki.example/",
		"script": "javascript:alert(1)",
		"user":   "https://wiki.example@evil.example/",
	}
	f.current[0].Annotations = map[string]string{
		"runbook_url": "https://wiki.example/pay", "dashboard": "https://evil.example/d",
		"evil": "https://evil.example/", "text": "see https://wiki.example/",
		"script": "javascript:alert(1)",
		"user":   "https://wiki.example@evil.example/",
	}
	body := see(
		t,
		s,
		"/alerts/a1",
		`href="https://wiki.example/pay"`,
		"!href=\"https://evil",
		"!href=\"javascript",
	)
	if n := strings.Count(body, `target="_blank"`); n != 1 {
		t.Errorf("there are %d links", n)
	}
	f.current[0].Annotations["runbook_url"] = "https://wiki.example.evil.example/"
	see(t, s, "/alerts/a1", "!target=\"_blank\"")
}

// The history is filtered, drawn and exported.
func TestHistoryPage(t *testing.T) {
	f, o := newFake(t)
	f.fire("a2", "payment-worker")
	over := f.current[1]
	over.State, over.At = models.AlertResolved, noon.Add(-time.Minute)
	f.history, f.current = append(f.history, over), f.current[:1]
	s := newServer(t, o)
	see(
		t,
		s,
		"/history",
		"<b>2</b> alerts fired",
		"payment-worker",
		`class="band firing sev-critical"`,
		"1m",
		">firing</span>",
	)
	see(
		t,
		s,
		"/history?filter=service:payment-w*",
		"<b>1</b> alert fired",
		"payment-worker",
		"!payment-service",
	)
	see(t, s, "/history?filter=(", `role="alert"`)
	see(t, s, "/history?since=1h&rule=payments/NoLogins", "<b>0</b> alerts fired")
	code, text := do(s, "GET", "/api/v1/history?format=csv", "")
	if code != 200 || strings.Count(text, "\n") != 6 ||
		!strings.Contains(text, "resolved,payments/PaymentErrors,a2,page,") {
		t.Errorf("the export is %d\n%s", code, text)
	}
	f.history[0].Reason = "=1+1\x1b"
	if _, text := do(s, "GET", "/api/v1/history?format=csv", ""); !strings.Contains(
		text,
		",'=1+1⟨U+001B⟩",
	) {
		t.Errorf("a formula is exported as one:\n%s", text)
	}
}

// An alert's page names what else fired then, and its logs are found on the topic.
func TestNeighboursAndLogs(t *testing.T) {
	f, o := newFake(t)
	f.fire("a2", "payment-worker")
	f.current[1].Labels["alertname"] = "Another"
	s := newServer(t, o)
	see(
		t,
		s,
		"/alerts/a1",
		"Fired at the same time",
		">Another<",
		`href="/explore?alert=a1"`,
		"<span>peak</span>",
	)
	see(t, s, "/explore?alert=a1", "Logs of alert", "<b>30</b> of 30 logs")
	see(t, s, "/explore?alert=a2", "<b>0</b> of 30 logs")
	see(t, s, "/explore?alert=a1&q=%22declined+7%22", "<b>1</b> of 30 logs")
}

// Receivers and routes are shown, tried with labels, previewed and tested.
func TestReceiversPage(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	see(
		t,
		s,
		"/receivers",
		"webhook[0]",
		"200 OK",
		"403 Forbidden",
		">failing<",
		`severity=&#34;page&#34;`,
		">continue<",
		"repeat 4h",
	)
	see(t, s, "/receivers?labels=severity%3Dpage", "Notifies <b>pager</b>")
	see(t, s, "/receivers?labels=severity%3D~page", "is not a label")
	see(t, s, "/receivers?preview=pager", "[page] a sample")
	if status, _, body := post(t, s, "/receivers/test", "receiver", "pager"); status != 200 ||
		!strings.Contains(body, "failed: 403 Forbidden") {
		t.Errorf("the test is %d", status)
	}
	if status, _, body := post(t, s, "/receivers/test", "receiver", "gone"); status != 422 ||
		!strings.Contains(body, "no receiver gone") {
		t.Errorf("the test of nothing is %d", status)
	}
}

// The history page lists few alerts at first, and more on demand.
func TestHistoryShowsMore(t *testing.T) {
	f, o := newFake(t)
	for i := range firstHistory + 30 {
		f.fire(fmt.Sprint("b", i), "search")
	}
	s := newServer(t, o)
	see(t, s, "/history", `<a href="/history?all=1&amp;since=24h">show 31 more</a>`)
	see(t, s, "/history?all=1", "!more</a>", "<b>131</b> alerts fired")
}
