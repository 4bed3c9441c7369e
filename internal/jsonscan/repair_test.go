package jsonscan

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// nginx 1.22 writes a variable of the upstream empty when there was none, and as a list when
// several were tried; Apache 2.4 writes a dash for %b without a body.
func TestMend(t *testing.T) {
	f := func(object, want string) {
		t.Helper()
		got, end, ok := mend(nil, []byte(object))
		if !ok {
			got, end = nil, len(object)
		}
		if rest := object[end:]; string(got)+rest != want {
			t.Errorf("%s\n is %s%s\nwant %s", object, got, rest, want)
		}
	}
	f(`{"status":200,"up":,"ups":""}`, `{"status":200,"up":null,"ups":""}`)
	f(`{"up":0.001, 0.002,"ups":"502, 502"}`, `{"up":"0.001, 0.002","ups":"502, 502"}`)
	f(`{"status":502, 200}`, `{"status":"502, 200"}`)
	f(`{"bytes":-,"path":"/"}`, `{"bytes":null,"path":"/"}`)
	f(`{"a":{"b":-},"c":1}`, `{"a":{"b":null},"c":1}`)
	f(`{"a":1,}`, `{"a":1}`)
	f(` `, ``)
	f(`{"user":bob smith,"n":[1, 2]}`, `{"user":"bob smith","n":[1, 2]}`)
	f(`{"time":2026-05-04T10:11:12Z , "n":1}`, `{"time":"2026-05-04T10:11:12Z","n":1}`)
	// the next object begins where a member should
	f(`{"a":1,{"b":2}`, `{"a":1}{"b":2}`)
	f(`{"a":{"x":-,{"b":2,"c":}`, `{"a":{"x":null}}{"b":2,"c":}`)
	f(`{"a":1} tail`, `{"a":1} tail`)
	// quotes within a text, as a format that puts a message between quotes writes them
	f(`{"m":"order "A-1" failed","n":1}`, `{"m":"order \"A-1\" failed","n":1}`)
	f(`{"m":"order "A-1", "A-2" failed"}`, `{"m":"order \"A-1\", \"A-2\" failed"}`)
	f(`{"m":"a \"b\" "c"","n":""}`, `{"m":"a \"b\" \"c\"","n":""}`)
	f(`{"m":"open "x }`, ``)
	// no guess is made of what is damaged otherwise
	f(`{"a":"x"y}`, ``)
	f(`{"a":1`, ``)
	f(`{"a":x{}`, ``)
	f(`{a:1}`, ``)
	f("{\"a\":x\n,\"b\":1}", ``)
}

// What is JSON means the same afterwards, and what was mended is JSON.
func TestMendKeepsMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Custom(func(t *rapid.T) any {
			return rapid.SampledFrom([]any{1.5, "x,\"y}", nil, true, []any{"a", 2.0},
				map[string]any{"k": "v", "n": -1.0}}).Draw(t, "value")
		})
		object := rapid.MapOf(rapid.String(), value).Draw(t, "object")
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		got, _, ok := mend(nil, text)
		if !ok {
			t.Fatalf("refused: %s", text)
		}
		var before, after any
		if json.Unmarshal(text, &before) != nil || json.Unmarshal(got, &after) != nil {
			t.Fatalf("no JSON: %s from %s", got, text)
		}
		if a, _ := json.Marshal(before); !bytes.Equal(a, must(json.Marshal(after))) {
			t.Fatalf("%s became %s", text, got)
		}
		bare := rapid.StringMatching(`[-0-9a-z., :/]{0,12}`).Draw(t, "bare")
		broken := []byte(`{"first":` + bare + `,"last":` + bare + `}`)
		if got, _, ok := mend(nil, broken); ok && !json.Valid(got) {
			t.Fatalf("%s became %s", broken, got)
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// nginx escapes bytes of a variable as \xHH without escape=json.
func TestHexEscapes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := AppendText(nil, []byte(text), Escaped); string(got) != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
	f(`a \x22quoted\x22 b and more text`, `a "quoted" b and more text`)
	f(`caf\xC3\xA9 au lait, longer than eight`, "café au lait, longer than eight")
	f(`\xC3 alone`, "\uFFFD alone")
	f(`\xzz`, `xzz`)
	f(`\x2`, `x2`)
}
