package decode

import (
	"slices"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

func TestEachValueSkipsKeys(t *testing.T) {
	f := func(record string, want ...string) {
		t.Helper()
		d, err := New(Config{}, NewFields())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		rec := models.Record{
			Topic:     "t",
			Timestamp: time.Unix(1_800_000_000, 0),
			Value:     []byte(record),
		}
		d.Decode(&rec, func(l *Log) {
			l.EachValue(func(v Value) bool {
				got = append(got, string(v.Text))
				return true
			})
		}, func(Reason, string) {})
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%s\nvalues %q, want %q among them", record, got, w)
			}
		}
		for _, key := range []string{"key", "inner"} {
			if slices.Contains(got, key) {
				t.Errorf("%s\nvalues %q have the key %q", record, got, key)
			}
		}
	}
	f(
		`{"key":"a","n":7,"t":true,"z":null,"inner":{"key":["b",["c"],{"key":"d\"e"}]},`+
			`"message":"m"}`,
		"a", "7", "true", "b", "c", `d"e`, "m")
	f(`{"key" : "a" , "inner" : [ 1.5 , "x" ]}`, "a", "1.5", "x")
	f(`just a text`, "just a text")
	f(`{"log":"{\"key\":\"deep\"}","stream":"stdout"}`, "deep", "stdout")
}
