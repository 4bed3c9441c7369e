package web

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"sync"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// AuditFile stores audit entries and comments as lines of JSON. It keeps the newest entries in
// memory, and the file between one and two times as many.
type AuditFile struct {
	path string // "" for memory only

	mu      sync.Mutex // guards what follows
	entries []AuditEntry
	lines   int // of the file
}

// maxAudit is the number of entries that are kept.
const maxAudit = 10_000

// OpenAudit reads the entries of a file. The file need not exist.
func OpenAudit(path string) (*AuditFile, error) {
	a := &AuditFile{path: path}
	if path == "" {
		return a, nil
	}
	f, err := os.Open(path) // #nosec G304 -- in the data directory
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read audit file: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e AuditEntry
		a.lines++
		if json.Unmarshal(lines.Bytes(), &e) == nil { // a line cut by a crash is left out
			a.add(e)
		}
	}
	return a, lines.Err()
}

func (a *AuditFile) add(e AuditEntry) {
	if len(a.entries) >= 2*maxAudit {
		a.entries = slices.Delete(a.entries, 0, maxAudit)
	}
	a.entries = append(a.entries, e)
}

// Record stores an entry.
func (a *AuditFile) Record(e AuditEntry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(e)
	if a.path == "" {
		return nil
	}
	if a.lines >= 2*maxAudit {
		return a.rewrite()
	}
	a.lines++
	return a.write(os.O_APPEND|os.O_CREATE|os.O_WRONLY, a.path, e)
}

// rewrite replaces the file by one with only the newest entries.
func (a *AuditFile) rewrite() error {
	kept := a.entries[max(0, len(a.entries)-maxAudit):]
	if err := a.write(os.O_CREATE|os.O_TRUNC|os.O_WRONLY, a.path+".new", kept...); err != nil {
		return err
	}
	a.lines = len(kept)
	return os.Rename(a.path+".new", a.path)
}

func (a *AuditFile) write(flags int, path string, entries ...AuditEntry) error {
	f, err := os.OpenFile(path, flags, 0o600) // #nosec G304 -- in the data directory
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	enc := json.NewEncoder(out)
	for _, e := range entries {
		err = errors.Join(err, enc.Encode(e))
	}
	return errors.Join(err, out.Flush(), f.Close())
}

// Entries returns the newest entries, newest first.
func (a *AuditFile) Entries(most int) []AuditEntry {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.Clone(a.entries[max(0, len(a.entries)-most):])
	slices.Reverse(list)
	return list
}

// audit records a change: in the log, and in the audit trail if there is one.
func (s *Server) audit(r *http.Request, what string, facts ...any) {
	who, from := s.access.clientName(r), r.RemoteAddr
	s.Logger.Info(what, append(facts, "client", who, "from", from)...)
	if s.Audit == nil {
		return
	}
	entry := AuditEntry{At: s.Now(), What: what, Client: who, From: from, Facts: map[string]string{}}
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
	for _, e := range s.Audit.Entries(maxAudit) {
		if e.Facts["alert"] == alert && len(list) < 200 {
			list = append(list, e)
		}
	}
	return list
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
