package web

import (
	"fmt"
	"net/http"
	"strings"
)

// Check is something that must hold.
type Check struct {
	Name string       // what it is about, in a word: kafka, notifications
	Err  func() error // nil while it holds; must answer at once
	Soft bool         // what fails is said, but all is not lost: the work goes on
}

// checks answers 200 when all hold that are not soft, else 503, with a line for each.
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
				fmt.Fprintf(&text, "%s: degraded: %s\n", c.Name, visible(err.Error()))
			default:
				status = http.StatusServiceUnavailable
				fmt.Fprintf(&text, "%s: %s\n", c.Name, visible(err.Error()))
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
