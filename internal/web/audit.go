package web

import (
	"fmt"
	"net/http"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// maxAudit is the maximum number of changes in an answer.
const maxAudit = 5000

// audit records a change: in the log, and in the audit trail if there is one.
func (s *Server) audit(r *http.Request, what string, facts ...any) {
	client, from := s.access.clientName(r), r.RemoteAddr
	s.Logger.Info(what, append(facts, "client", client, "from", from)...)
	if s.Audit == nil {
		return
	}
	entry := AuditEntry{
		At:     s.Now(),
		What:   what,
		Client: client,
		From:   from,
		Facts:  map[string]string{},
	}
	for i := 0; i+1 < len(facts); i += 2 {
		text := safetext.Clip(safetext.Visible(fmt.Sprint(facts[i+1])), 2000)
		entry.Facts[fmt.Sprint(facts[i])] = text
	}
	if err := s.Audit.Record(entry); err != nil {
		s.Logger.Error("storing an audit entry failed", "error", err)
	}
}

// auditOf are the entries about an alert, newest first.
func (s *Server) auditOf(alert string) (list []AuditEntry) {
	if s.Audit == nil {
		return nil
	}
	return s.Audit.Of(alert)
}

func (s *Server) getAudit(w http.ResponseWriter, r *http.Request) error {
	if s.Audit == nil {
		return missing("an audit trail")
	}
	most, err := number(r, "limit", 100, maxAudit)
	if err != nil {
		return err
	}
	list := s.Audit.Entries(most)
	if list == nil {
		list = []AuditEntry{}
	}
	return ok(w, list)
}
