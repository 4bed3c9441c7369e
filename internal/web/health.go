package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// Check is a health check.
type Check struct {
	Name string       // one word: kafka, notifications
	Err  func() error // nil if healthy; must not block
	Soft bool         // a failure is reported but does not make the program not ready
	// what pages say of a failure that leaves the list of alerts complete, as "notifications fail"
	Aside string
	// what else readers see of what is healthy; nil for nothing
	Note func() string
}

// health is whether the program works, and how far the list of alerts can be trusted.
type health struct {
	live, ready []Check
	access      *access
	state       *engineState
}

func (h *health) routes() []route {
	live, ready := h.handler(h.live), h.handler(h.ready)
	return []route{
		{"GET /healthz", Anyone, cheap, live},
		{"GET /readyz", Anyone, cheap, ready},
		{"GET /-/healthy", Anyone, cheap, live}, // the paths of Prometheus
		{"GET /-/ready", Anyone, cheap, ready},
	}
}

// handler answers 200 if all checks pass that are not soft, else 503, with a line for each. Only
// readers see the errors, which name brokers and receivers.
func (h *health) handler(list []Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text strings.Builder
		status, detailed := http.StatusOK, h.access.roleOf(r) >= Reader
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

// results runs all checks; a name that occurs twice is listed once.
func (h *health) results() []checkResult {
	var list []checkResult
	for _, c := range slices.Concat(h.live, h.ready) {
		i := slices.IndexFunc(list, func(one checkResult) bool { return one.Name == c.Name })
		if i < 0 {
			i = len(list)
			list = append(list, checkResult{Name: c.Name})
		}
		if err := c.Err(); err != nil && list[i].Problem == "" {
			list[i].Problem = err.Error()
		}
	}
	return list
}

// checkResult is the result of a health check.
type checkResult struct {
	Name    string
	Problem string
}
