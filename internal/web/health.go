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
}

// checks answers 200 if all checks pass that are not soft, else 503, with a line for each.
func checks(list []Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var text strings.Builder
		status := http.StatusOK
		for _, c := range list {
			err := c.Err()
			switch {
			case err == nil:
				fmt.Fprintf(&text, "%s: ok\n", c.Name)
			case c.Soft:
				fmt.Fprintf(&text, "%s: degraded: %s\n", c.Name, safetext.Visible(err.Error()))
			default:
				status = http.StatusServiceUnavailable
				fmt.Fprintf(&text, "%s: %s\n", c.Name, safetext.Visible(err.Error()))
			}
		}
		if text.Len() == 0 {
			text.WriteString("ok\n")
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprint(w, text.String())
	})
}
