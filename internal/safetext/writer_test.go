package safetext

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestWriter(t *testing.T) {
	t.Parallel()
	text := "a\x1b[2J\u202e東京\U000e0041\n"
	var out bytes.Buffer
	w := NewWriter(&out)
	for i := range len(text) {
		if n, err := w.Write([]byte{text[i]}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := Visible(text); out.String() != want {
		t.Errorf("byte by byte %q is written as %q, want %q", text, out.String(), want)
	}
	out.Reset()
	if err := json.NewEncoder(NewJSONWriter(&out)).Encode(text); err != nil {
		t.Fatal(err)
	}
	if want := `"a\u001b[2J\u202e東京\udb40\udc41\n"` + "\n"; out.String() != want {
		t.Errorf("JSON is written as %s, want %s", out.String(), want)
	}
}
