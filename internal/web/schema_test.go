package web

import (
	"encoding/json"
	"testing"
)

// Schemas are served to everyone, and nothing else is under their path.
func TestSchemas(t *testing.T) {
	_, o := newFake(t)
	o.Tokens = []Token{{Secret: "secret-token-of-ann", Role: Writer}}
	o.Schemas = map[string]json.RawMessage{"rules": json.RawMessage(`{"title":"rules"}`)}
	s := newServer(t, o)
	if code, body := do(s, "GET", "/schemas/rules.schema.json", ""); code != 200 ||
		body != `{"title":"rules"}` {
		t.Errorf("%d %s", code, body)
	}
	for _, name := range []string{"rules", "tests.schema.json", "..%2frules.schema.json"} {
		if code, _ := do(s, "GET", "/schemas/"+name, ""); code != 404 {
			t.Errorf("%s is %d", name, code)
		}
	}
}
