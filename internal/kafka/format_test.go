package kafka

import (
	"testing"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Messages are JSON unless another format is configured: a line of text is a failure, not a log.
func TestMessagesAreJSON(t *testing.T) {
	f := func(format, value, want string) {
		t.Helper()
		d, err := newDecoder(format)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		d.Decode(
			&models.Record{Value: []byte(value)},
			func(l *decode.Log) { got += "log " + string(l.Value(decode.FieldMessage).Text) },
			func(reason decode.Reason, _ string) { got += string(reason) },
		)
		if got != want {
			t.Errorf("format %q, %s: %s, want %s", format, value, got, want)
		}
	}
	f("", `{"level":"ERROR","message":"boom"}`, "log boom")
	f("", `ERROR boom`, "invalid_json")
	f("", `{"message":`, "invalid_json")
	f("", `level=error msg=boom`, "invalid_json")
	f("auto", `level=error msg=boom`, "log boom")
}
