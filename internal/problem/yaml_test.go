package problem_test

import (
	"testing"

	yaml2 "go.yaml.in/yaml/v2"
	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/problem"
)

// The places are those that the YAML packages state, as they state them today.
func TestYAMLPlaces(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		if got := problem.YAML("f.yml", err).Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	var n yaml.Node
	f(yaml.Unmarshal([]byte("a: 1\nb: [\n"), &n),
		"f.yml:2: did not find expected node content")
	f(yaml.Unmarshal([]byte("a: {\x00"), &n), "f.yml: control characters are not allowed")
	var of struct{ A, B int }
	f(yaml2.UnmarshalStrict([]byte("a: 1\nc: 2\nd: 3\n"), &of), "f.yml:2: field c not found in "+
		"type struct { A int; B int }\nf.yml:3: field d not found in type struct { A int; B int }")
}
