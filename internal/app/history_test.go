package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/web"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// An alert's page finds its transitions however many others there were since, and after a restart.
// What users did is in the history too.
func TestHistoryView(t *testing.T) {
	dir := t.TempDir()
	log, err := history.Open(history.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Truncate(time.Millisecond)
	for i := range 5000 {
		log.Add(history.OfAlert(models.Alert{
			ID: fmt.Sprint("alert-", i), Rule: "g/R", State: models.AlertFiring, At: at,
		}, at))
	}
	v := historyView{log}
	if list := v.Transitions(web.HistoryQuery{}); len(list) != 5000 || list[0].ID != "alert-0" {
		t.Errorf("%d transitions", len(list))
	}
	if list := v.Transitions(web.HistoryQuery{Most: 10}); len(list) != 10 ||
		list[9].ID != "alert-4999" {
		t.Errorf("the newest: %v", list)
	}
	err = v.Record(web.AuditEntry{
		At:     at,
		What:   "alert acknowledged",
		Client: "ann",
		Facts:  map[string]string{"alert": "alert-0"},
	})
	if err != nil || len(v.Entries(5)) != 1 {
		t.Error(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if log, err = history.Open(history.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	v = historyView{log}
	if list := v.Transitions(web.HistoryQuery{Alert: "alert-0"}); len(list) != 1 {
		t.Errorf("after a restart: %v", list)
	}
	of := log.Of("alert-0")
	if len(of) != 2 || of[1].Kind != history.Acknowledged || of[1].Rule != "g/R" ||
		of[1].By != "ann" {
		t.Errorf("%+v", of)
	}
	if list := v.Of("alert-0"); len(list) != 1 || list[0].Client != "ann" ||
		list[0].What != "alert acknowledged" {
		t.Errorf("changes of the alert: %+v", list)
	}
	log.Add(history.Entry{
		Time:    at,
		Kind:    history.NotNotified,
		AlertID: "alert-1",
		Rule:    "g/R",
		Detail:  "silenced by bob",
	})
	if list := v.NotNotified(web.HistoryQuery{Most: 5}); len(list) != 1 ||
		list[0].Detail != "silenced by bob" {
		t.Errorf("not notified: %+v", list)
	}
	stats, err := v.Statistics(at.Add(-time.Hour), at.Add(time.Hour), "g/R")
	if err != nil || len(stats) != 1 || stats[0].Fired != 5000 || stats[0].Acknowledged != 1 ||
		stats[0].NotNotified != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	var out bytes.Buffer
	q := web.HistoryQuery{Alert: "alert-1"}
	if err := v.Export(t.Context(), &out, q, history.CSV); err != nil ||
		strings.Count(
			out.String(),
			"\n",
		) != 3 || !strings.Contains(out.String(), "silenced by bob") {
		t.Errorf("%s, %v", &out, err)
	}
}
