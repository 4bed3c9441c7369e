package logprofile

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/schema"
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
	var referenced []string
	for _, a := range p.Referenced() {
		referenced = append(
			referenced,
			fmt.Sprintf("%s %s seen:%v read:%v", a.Rule, a.Fields, a.Seen, a.Read),
		)
	}
	if diff := cmp.Diff([]string{
		"g/A status seen:true read:true", "g/A user.name seen:true read:true",
		"g/A service seen:true read:true", "g/B Status seen:false read:false",
	}, referenced); diff != "" {
		t.Errorf("(-want +referenced)\n%s", diff)
	}
	want := []Unreferenced{{"path", 100}, {"user.id", 50}}
	if diff := cmp.Diff(want, p.Unreferenced()); diff != "" {
		t.Errorf("(-want +unreferenced)\n%s", diff)
	}
}

// The share of logs that have a field is right for samples of which not all logs are counted.
func TestShareOfLargeSample(t *testing.T) {
	set, err := rule.Read("x", []byte(`version: 1
groups:
- name: g
  rules:
  - {alert: A, match: 'level>=ERROR'}
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(set, Options{FieldsOnly: true,
		Decode: func(string) decode.Config { return decode.Config{} }})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 * namedLogs {
		text := `{"message":"a","level":"INFO","path":"/"}`
		if err := p.Add(&models.Record{Topic: "t", Value: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]Referenced{{"g/A", "level", true, true}}, p.Referenced()); diff != "" {
		t.Errorf("(-want +referenced)\n%s", diff)
	}
	if diff := cmp.Diff([]Unreferenced{{"path", 100}}, p.Unreferenced()); diff != "" {
		t.Errorf("(-want +unreferenced)\n%s", diff)
	}
}

type badSchemas struct{ schema.Source }

func (badSchemas) Schema(schema.ID) (*schema.Schema, error) { panic("bad schema") }

// A record that makes the decoder panic is rejected, and those after it are read.
func TestPanicIsRejected(t *testing.T) {
	set, err := rule.Read("x", []byte(`version: 1
groups:
- {name: g, rules: [{alert: A, match: 'user:ann'}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(set, Options{
		Decode: func(string) decode.Config { return decode.Config{Schemas: badSchemas{}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"user":"bob"}`, "\x00\x00\x00\x00\x01\x02a", `{"user":"ann"}`} {
		if err := p.Add(&models.Record{Topic: "t", Value: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	if p.Logs != 2 || p.Rejected != 1 || p.Panics != 1 || p.Panic != "bad schema" {
		t.Errorf("%d logs, %d rejected, %d panics: %s", p.Logs, p.Rejected, p.Panics, p.Panic)
	}
	if n := p.rules[0].matches; n != 1 {
		t.Errorf("%d matches", n)
	}
}
