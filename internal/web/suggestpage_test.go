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
		`name="rule" value="      # `)
	if strings.Contains(body, `class="error"`) {
		t.Error(body)
	}
	see(t, s, "/suggest?since=soon", "neither a duration")
	item := "      - alert: Mine\r\n        match: level&gt;=ERROR\r\n        window: 5m\r\n"
	form := url.Values{"rule": {strings.ReplaceAll(item, "&gt;", ">")}}
	r := httptest.NewRequest("POST", "/suggest", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	r.Host = "127.0.0.1"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	for _, want := range []string{"- alert: Mine", "version: 1", "suggested"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d: the editor has no %q", w.Code, want)
		}
	}
	if strings.Contains(w.Body.String(), `class="problem"`) {
		t.Error("what was chosen has problems")
	}
}
