package safetext

import (
	"io"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
)

// Hostile text is made visible, cut and written in time in proportion to it.
func TestTextsTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	shapes := linear.Shapes([]string{"", "=", `"`, `{"a":"`, "a"}, []string{
		"a", "\u202e", "\u200b", "\xff", "\xe2\x80", "\x1b[31m", "\n", "\r\n", `\u202e`, `\\`, `\"`,
		`"`, "é", "\U000e0041", "\u0301", "<", " ", `{"a":`, `["`, "\x00",
	}, `"}`)
	for name, work := range map[string]func(text string){
		"Visible":    func(text string) { Visible(text) },
		"Line":       func(text string) { Line(text) },
		"Clip":       func(text string) { _ = Clip(text, len(text)/2) },
		"ClipLine":   func(text string) { ClipLine(text, len(text)/2) },
		"Cell":       func(text string) { Cell(text) },
		"JSON":       func(text string) { JSON([]byte(text)) },
		"Writer":     func(text string) { inPieces(text, NewWriter) },
		"JSONWriter": func(text string) { inPieces(text, NewJSONWriter) },
	} {
		linear.Law{Size: 96 << 10, Enough: 30 * time.Millisecond}.Check(t, name, shapes, work)
	}
}

// inPieces writes a text in pieces of 7 bytes.
func inPieces(text string, newWriter func(io.Writer) io.Writer) {
	w := newWriter(io.Discard)
	for ; len(text) > 7; text = text[7:] {
		io.WriteString(w, text[:7])
	}
	io.WriteString(w, text)
}
