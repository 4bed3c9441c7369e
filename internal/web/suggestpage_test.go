package web

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Rules are proposed for past logs with what a backtest says of them; those that are chosen are
// opened in the editor, and nothing is saved. Fields that do not occur are listed, whatever their
// names hold.
func TestSuggestPage(t *testing.T) {
	f, o := newFake(t)
	f.records = nil
	for i := range 3000 {
		at, level := noon.Add(-time.Duration(3000-i)*time.Second), "INFO"
		if i%100 == 0 {
			level = "ERROR"
		}
		f.records = append(f.records, models.Record{
			Topic: "logs", Offset: int64(i), Timestamp: at,
			Value: fmt.Appendf(nil, `{"time":%q,"level":%q,"service":"pay","message":"m %d"}`,
				at.Format(time.RFC3339), level, i),
		})
	}
	f.backtested = BacktestResult{Records: 3000, Logs: 3000}
	o.Coverage = func() FieldCoverage {
		return FieldCoverage{
			Logs: 500, AbsentTotal: 1, UnreferencedTotal: 1,
			Absent:       []AbsentField{{Rule: "shop/Errors", Field: "stauts"}},
			Unreferenced: []UnreferencedField{{Field: "<b>x", Percent: 12}},
		}
	}
	s := newServer(t, o)
	see(t, s, "/rules", `<a href="/suggest#absent">1 absent field</a>`)
	if body := see(t, s, "/suggest", "stauts", "12 % of logs", "&lt;b&gt;x"); strings.Contains(
		body, "proposals for",
	) {
		t.Error("it proposes before it is asked to")
	}
	body := see(t, s, "/suggest?since=1h", "for 3\u202f000 logs", "ServiceErrors", "0 alerts",
		`name="rule" value="# `)
	if strings.Contains(body, `class="error"`) {
		t.Error(body)
	}
	see(t, s, "/suggest?since=soon", "neither a duration")
	form := url.Values{"rule": {"# why\r\nalert: Mine\r\nmatch: level>=ERROR\r\nwindow: 5m\r\n"}}
	r := httptest.NewRequest("POST", "/suggest", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	r.Host = "127.0.0.1"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	for _, want := range []string{"# why\n", "- alert: Mine",
		"version: 1", "suggested"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d: the editor has no %q", w.Code, want)
		}
	}
	if strings.Contains(w.Body.String(), `class="problem"`) {
		t.Error("what was chosen has problems")
	}
}

// A backtest that reached its time limit says so, and does not say that nothing would have fired.
// The page that was not asked for proposals takes no place of a backtest.
func TestSuggestPageOfPartialBacktest(t *testing.T) {
	f, o := newFake(t)
	f.records = nil
	for i := range 300 {
		at := noon.Add(-time.Duration(300-i) * time.Second)
		f.records = append(f.records, models.Record{
			Topic: "logs", Offset: int64(i), Timestamp: at,
			Value: fmt.Appendf(nil, `{"time":%q,"level":"ERROR","service":"pay","message":"m %d"}`,
				at.Format(time.RFC3339), i),
		})
	}
	f.backtested = BacktestResult{Records: 10, Logs: 10, Truncated: true}
	s := newServer(t, o)
	body := see(t, s, "/suggest?since=1h", "partial", "not known")
	if strings.Contains(body, "0 alerts") {
		t.Error("a partial backtest says that nothing would have fired")
	}
	s.limits[backtests].used = s.limits[backtests].total
	see(t, s, "/suggest", "Suggest")
	if code, _ := do(s, "GET", "/suggest?since=1h", ""); code != 429 {
		t.Errorf("one backtest too many is %d", code)
	}
}
