package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// maxAudit is the maximum number of changes in an answer.
const maxAudit = 5000

// auditTrail records who changed what by a page or an API.
type auditTrail struct {
	store  Audit // nil to only log changes
	access *access
	logger *slog.Logger
	now    func() time.Time
}

func (t *auditTrail) routes() []route {
	return []route{{"GET /api/v1/audit", Reader, cheap, api(t.get)}}
}

// record writes a change to the log, and stores it if there is a store.
func (t *auditTrail) record(r *http.Request, what string, facts ...any) {
	client, from := t.access.clientName(r), r.RemoteAddr
	t.logger.Info(what, append(facts, "client", client, "from", from)...)
	if t.store == nil {
		return
	}
	entry := AuditEntry{
		At:     t.now(),
		What:   what,
		Client: client,
		From:   from,
		Facts:  map[string]string{},
	}
	for i := 0; i+1 < len(facts); i += 2 {
		text := safetext.Clip(safetext.Visible(fmt.Sprint(facts[i+1])), 2000)
		entry.Facts[fmt.Sprint(facts[i])] = text
	}
	if err := t.store.Record(entry); err != nil {
		t.logger.Error("storing an audit entry failed", "error", err)
	}
}

// of are the entries about an alert, newest first.
func (t *auditTrail) of(alert string) (list []AuditEntry) {
	if t.store == nil {
		return nil
	}
	return t.store.Of(alert)
}

func (t *auditTrail) get(w http.ResponseWriter, r *http.Request) error {
	if t.store == nil {
		return missing("an audit trail")
	}
	most, err := number(r, "limit", 100, maxAudit)
	if err != nil {
		return err
	}
	list := t.store.Entries(most)
	if list == nil {
		list = []AuditEntry{}
	}
	return ok(w, list)
}
