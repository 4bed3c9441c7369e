package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// Ctrl-C ends a command that waits for its standard input, whatever it is.
func TestInterruptedWhileReading(t *testing.T) {
	f := func(args ...string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		waiting, writer := io.Pipe()
		defer writer.Close()
		go func() {
			io.WriteString(writer, "{}\n") // it is read, and so is what follows
			cancel()
		}()
		var out, errs bytes.Buffer
		code := execute(ctx, args, &interruptible{ctx: ctx, from: waiting}, &out, &errs)
		if code != interrupted || !strings.HasSuffix(errs.String(), "alert-engine: interrupted\n") {
			t.Errorf("%q ends with %d and %q", args, code, errs.String())
		}
	}
	rules := writeFile(t, "my.rules.yml",
		"version: 1\ngroups:\n- name: g\n  rules: [{alert: A, match: a}]\n")
	f("check", "-")
	f("fmt", "-")
	f("decode")
	f("explain", rules, "-e", "-")
	f("new", "errors", "-e", "-")
	f("import", "-")
	f("backtest", rules, "--file", "-")
	f("check", rules, "--against-file", "-")
}

func TestInterruptibleReadsAll(t *testing.T) {
	text := strings.Repeat("0123456789", 20_000)
	for _, from := range []io.Reader{
		strings.NewReader(text), iotest.HalfReader(strings.NewReader(text)),
		iotest.DataErrReader(strings.NewReader(text)),
	} {
		r := &interruptible{ctx: t.Context(), from: from}
		if got, err := io.ReadAll(r); string(got) != text || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	failed := errors.New("failed")
	r := &interruptible{ctx: t.Context(), from: iotest.ErrReader(failed)}
	if _, err := io.ReadAll(r); err != failed {
		t.Error(err)
	}
}
