package imports

import (
	"strings"
	"testing"
	"time"
)

// Alerts are the same when they are of one rule, at one time, and of the same labels.
func TestCompare(t *testing.T) {
	past, err := ReadPast(
		[]byte(`{"rule":"errors","time":"2026-01-05T09:10:30Z","labels":{"host":"a"}}
{"rule":"errors","time":"2026-01-05T09:12:00Z","labels":{"host":"a"}}

{"_source":{"rule_name":"errors","match_time":"2026-01-05T09:10:30Z","match_body":{"host":"b","n":1}}}
{"rule":"gone","time":"2026-01-05T09:10:00Z"}
{"rule":"errors","time":"2026-01-04T09:10:00Z"}
`),
	)
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, "2026-01-05T"+text+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	list := Compare(past, []Episode{
		{
			Rule:   "errors",
			Begin:  at("09:10:00"),
			End:    at("09:15:00"),
			Labels: map[string]string{"host": "a", "alertname": "errors"},
			Log:    "x",
		},
		{Rule: "errors (user)", Begin: at("10:00:00")},
	}, at("09:00:00"), at("11:00:00"))
	var text []string
	for _, c := range list {
		text = append(text, c.String())
	}
	const want = `both      2026-01-05T09:10:00Z  errors {alertname=errors, host=a} 2 times  x
only old  2026-01-05T09:10:00Z  gone
only old  2026-01-05T09:10:30Z  errors {host=b, n=1}  {"host":"b","n":1}
only new  2026-01-05T10:00:00Z  errors (user)`
	if got := strings.Join(text, "\n"); got != want {
		t.Error(got)
	}
}

func TestReadPast(t *testing.T) {
	all, err := ReadPast(
		[]byte(
			`{"hits":{"hits":[{"_source":{"rule_name":"a","alert_time":"2026-01-05T09:00:00.5Z"}}]}}`,
		),
	)
	if err != nil || len(all) != 1 || all[0].Rule != "a" {
		t.Error(all, err)
	}
	for _, text := range []string{"x", `{"rule":"a"}`, `{"time":"2026-01-05T09:00:00Z"}`, `[]`} {
		if _, err := ReadPast([]byte(text)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}
