package web

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

//go:embed openapi.yaml
var openAPI []byte

// apiError is an error with an HTTP status.
type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return e.text }

func missing(what string) error {
	return &apiError{http.StatusNotImplemented, what + " is not configured"}
}

func notFound(format string, args ...any) error {
	return &apiError{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Write(openAPI)
}

// api writes the error of a handler as JSON.
func api(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			writeError(w, err)
		}
	})
}

// statusClientGone is the status, of nginx, of a request whose client left before the answer. Only
// metrics show it.
const statusClientGone = 499

// statusOf is the HTTP status of an error; 500 if it has none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.status
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, context.Canceled) {
		return statusClientGone
	}
	return http.StatusInternalServerError
}

// writeError writes an error as JSON.
func writeError(w http.ResponseWriter, err error) {
	writeJSON(w, statusOf(err), map[string]string{"error": safetext.Visible(err.Error())})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError,
			[]byte(`{"error":"encoding the answer as JSON failed"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(safetext.JSON(text), '\n'))
}

func ok(w http.ResponseWriter, v any) error {
	writeJSON(w, http.StatusOK, v)
	return nil
}

// readJSON reads the body of a request. Unknown keys are errors.
func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		return nil
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return err
	}
	return badRequest("invalid JSON body: %v", err)
}

// number reads a positive integer from a query parameter and limits it to most.
func number(r *http.Request, name string, otherwise, most int) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, badRequest("%s: %q is not a positive integer", name, text)
	}
	return min(n, most), nil
}

// parseSince parses a start time: a duration before now, or a timestamp.
func parseSince(text string, otherwise time.Duration, now time.Time) (time.Time, error) {
	if text == "" {
		return now.Add(-otherwise), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	d, err := duration.Parse(text)
	if err != nil || d == 0 {
		return time.Time{}, badRequest(
			"since: %q is neither a duration (15m, 2d) nor a timestamp (2026-01-05T09:00:00Z)",
			safetext.Clip(text, 80),
		)
	}
	return now.Add(-d), nil
}

// readAll reads a text body.
func readAll(r *http.Request) (string, error) {
	text, err := io.ReadAll(r.Body)
	return string(text), err
}
