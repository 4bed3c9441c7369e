package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runDecode runs the command alone, and returns what it printed and its exit code.
func runDecode(t *testing.T, stdin string, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := newDecodeCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	switch err := cmd.Execute().(type) {
	case nil:
	case exitCode:
		code = int(err)
	default:
		code = 1
		stderr.WriteString(err.Error())
	}
	return stdout.String(), stderr.String(), code
}

// "What does the engine make of my log?"
func TestDecodeCommand(t *testing.T) {
	const record = `{"level":"error","ts":1777889472.345,"msg":"payment failed",` +
		`"order":9007199254740993}`
	out, errs, code := runDecode(t, record+"\n\nE0504 10:11:12.162098   17963 main.go:36] boom\n",
		"--record-time", "2026-05-04T10:11:20Z", "--verbose")
	for _, want := range []string{
		`"timestamp":"2026-05-04T10:11:12.345Z","timestamp_source":"ts","level":"ERROR",` +
			`"severity":17,"message":"payment failed"`,
		`"fields":{"order":9007199254740993}`, `"format":"json"`,
		`"sources":{"level":"level","message":"msg","timestamp":"ts"}`,
		`"timestamp":"2026-05-04T10:11:12.162098Z"`, `"format":"klog"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if errs != "line 2: skipped: empty: the value is blank\n" || code != 0 {
		t.Errorf("%q, exit %d", errs, code)
	}
}

// "Is everything on this topic JSON?"
func TestDecodeCommandRefuses(t *testing.T) {
	out, errs, code := runDecode(t, "{\"message\":\"a\"}\nplain <text>\n", "--format", "json", "-")
	if strings.Count(out, "\n") != 1 ||
		!strings.Contains(errs, "line 2: refused: invalid_json: ") ||
		code != 1 {
		t.Errorf("%s%s exit %d", out, errs, code)
	}
	if _, errs, code := runDecode(t, "", "--format", "jsno"); code != 1 ||
		!strings.Contains(errs, "use one of auto, json") {
		t.Errorf("%s exit %d", errs, code)
	}
	if _, errs, code := runDecode(t, "", "--record-time", "yesterday"); code != 1 ||
		!strings.Contains(errs, "write it like 2026-") {
		t.Errorf("%s exit %d", errs, code)
	}
	if _, errs, code := runDecode(t, "", filepath.Join(t.TempDir(), "absent.log")); code != 1 ||
		!strings.Contains(errs, "absent.log") {
		t.Errorf("%s exit %d", errs, code)
	}
}

// A corpus is answered line by line.
func TestDecodeCommandCorpus(t *testing.T) {
	corpus := `{"id":"a","ts_ms":1777889480000,"headers":{"service":"shop"},"value":"ERROR boom"}
{"id":"b","value_b64":null}
{"id":"c","value_b64":"AAAAACoKRVI="}
`
	file := filepath.Join(t.TempDir(), "corpus.jsonl")
	if err := os.WriteFile(file, []byte(corpus), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, code := runDecode(t, "", "--corpus", file)
	want := `{"id":"a","format":"text","entries":[{"timestamp":"2026-05-04T10:11:20Z",` +
		`"timestamp_source":"kafka","level":"ERROR","severity":17,` +
		`"message":"ERROR boom","service":"shop","raw":"ERROR boom"}]}
{"id":"b","format":"","entries":[],"drop":"tombstone"}
{"id":"c","format":"","entries":[],"error":"schema","detail":"schema-framed avro/protobuf, id 42"}
`
	if out != want || code != 1 {
		t.Errorf("exit %d:\n%swant\n%s", code, out, want)
	}
}
