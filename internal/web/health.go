package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// Check is a health check.
type Check struct {
	Name string       // one word: kafka, notifications
	Err  func() error // nil if healthy; must not block
	Soft bool         // a failure is reported but does not make the program not ready
	// what else readers see of what is healthy; nil for nothing
	Note func() string
}

// checks answers 200 if all checks pass that are not soft, else 503, with a line for each. Only
// readers see the errors, which name brokers and receivers.
func (s *Server) checks(list []Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text strings.Builder
		status, detailed := http.StatusOK, s.access.roleOf(r) >= Reader
		for _, c := range list {
			err := c.Err()
			words := []string{c.Name}
			switch {
			case err == nil:
				words = append(words, "ok")
				if c.Note != nil && detailed {
					words = append(words, c.Note())
				}
			case c.Soft:
				words = append(words, "degraded")
			case !detailed:
				words = append(words, "failed")
			}
			if err != nil && detailed {
				words = append(words, safetext.Line(err.Error()))
			}
			if err != nil && !c.Soft {
				status = http.StatusServiceUnavailable
			}
			text.WriteString(strings.Join(words, ": ") + "\n")
		}
		if text.Len() == 0 {
			text.WriteString("ok\n")
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprint(w, text.String())
	})
}
