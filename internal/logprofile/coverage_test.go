package logprofile

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A field that some log has is seen, and one is asked for by what it is a part of, too.
func TestCoverage(t *testing.T) {
	set, err := rule.Read("x", []byte(`version: 1
groups:
- name: g
  rules:
  - {alert: A, match: 'status>=500 user.name:ann', by: [service]}
  - {alert: B, match: 'Status:500', source: other}
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(set, Options{Decode: func(string) decode.Config { return decode.Config{} }})
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{
		`{"message":"a","status":200,"service":"s","user":{"name":"ann","id":7},"path":"/"}`,
		`{"message":"b","path":"/"}`,
	} {
		if err := p.Add(&models.Record{Topic: "t", Offset: int64(i), Value: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	var asked []string
	for _, a := range p.Asked() {
		asked = append(
			asked,
			fmt.Sprintf("%s %s seen:%v read:%v", a.Rule, a.Fields, a.Seen, a.Read),
		)
	}
	if diff := cmp.Diff([]string{
		"g/A status seen:true read:true", "g/A user.name seen:true read:true",
		"g/A service seen:true read:true", "g/B Status seen:false read:false",
	}, asked); diff != "" {
		t.Errorf("(-want +asked)\n%s", diff)
	}
	if diff := cmp.Diff([]Unasked{{"path", 2}, {"user.id", 1}}, p.Unasked()); diff != "" {
		t.Errorf("(-want +unasked)\n%s", diff)
	}
}
