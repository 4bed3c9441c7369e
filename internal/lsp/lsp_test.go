package lsp

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sourcegraph/jsonrpc2"
)

// editor is the other side of a server.
type editor struct {
	t    *testing.T
	conn *jsonrpc2.Conn
	got  chan publishDiagnosticsParams
}

func newEditor(t *testing.T) editor {
	t.Helper()
	toServer, fromEditor := io.Pipe()
	toEditor, fromServer := io.Pipe()
	s := &Server{
		Version: "test", Getenv: func(string) string { return "" },
		Fields: func(context.Context) []string { return []string{"order.id", "service"} },
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background(), toServer, fromServer) }()
	e := editor{t: t, got: make(chan publishDiagnosticsParams, 10)}
	handler := jsonrpc2.HandlerWithError(
		func(_ context.Context, _ *jsonrpc2.Conn, r *jsonrpc2.Request) (any, error) {
			var p publishDiagnosticsParams
			err := json.Unmarshal(*r.Params, &p)
			e.got <- p
			return nil, err
		})
	stream := jsonrpc2.NewBufferedStream(pipe{toEditor, fromEditor}, jsonrpc2.VSCodeObjectCodec{})
	e.conn = jsonrpc2.NewConn(context.Background(), stream, handler)
	t.Cleanup(func() {
		e.ask("shutdown", nil, nil)
		e.say("exit", nil)
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return e
}

func (e editor) ask(method string, params, result any) {
	e.t.Helper()
	if err := e.conn.Call(context.Background(), method, params, result); err != nil {
		e.t.Fatalf("%s: %v", method, err)
	}
}

func (e editor) say(method string, params any) {
	e.t.Helper()
	if err := e.conn.Notify(context.Background(), method, params); err != nil {
		e.t.Fatalf("%s: %v", method, err)
	}
}

// messages are the diagnostics that come next, with their first line, place and severity.
func (e editor) messages() []diagnostic { return (<-e.got).Diagnostics }

const rules = `version: 1
groups:
- name: shop
  rules:
  - alert: Errors
    match: 'level>=ERROR'
    when: count() > 10
    by: [service]
  - alert: Slow
    match: 'service:cart'
    when: avg(took) > 5s
`

func open(uri, text string) documentParams {
	return documentParams{TextDocument: textDocument{URI: uri, Text: text}}
}

func at(uri string, line, character int) documentParams {
	return documentParams{
		TextDocument: textDocument{URI: uri}, Position: position{line, character},
	}
}

const uri = "file:///rules/shop.rules.yml"

// Mistakes are shown where they are, and are gone when they are mended.
func TestMistakes(t *testing.T) {
	e := newEditor(t)
	var r initializeResult
	e.ask("initialize", map[string]any{}, &r)
	if r.ServerInfo.Name != "alert-engine" || r.Capabilities.TextDocumentSync != 1 {
		t.Errorf("%+v", r)
	}
	e.say("initialized", struct{}{})
	wrong := strings.Replace(rules, "count() > 10", "coumt() > 10", 1)
	e.say("textDocument/didOpen", open(uri, wrong))
	list := e.messages()
	if len(list) != 1 || list[0].Severity != 1 || list[0].Range.Start.Line != 6 ||
		!strings.Contains(list[0].Message, "count") {
		t.Fatalf("%+v", list)
	}
	change := open(uri, "")
	change.ContentChanges = append(change.ContentChanges, struct {
		Text string `json:"text"`
	}{rules})
	e.say("textDocument/didChange", change)
	if list := e.messages(); slices.ContainsFunc(
		list,
		func(d diagnostic) bool { return d.Severity == 1 },
	) {
		t.Errorf("there are still mistakes: %+v", list)
	}
	e.say("textDocument/didClose", open(uri, ""))
	if list := e.messages(); len(list) != 0 {
		t.Errorf("a closed file has mistakes: %+v", list)
	}
}

// Warnings have the name by which they are ignored.
func TestWarnings(t *testing.T) {
	e := newEditor(t)
	e.say(
		"textDocument/didOpen",
		open(uri, strings.Replace(rules, "level>=ERROR", "level>=ERROR path:/api/", 1)+
			"  - alert: Ratio\n    when: count(level>=ERROR) / count() > 5%\n"),
	)
	list := e.messages()
	if len(list) == 0 || list[0].Severity != 2 || list[0].Code == "" {
		t.Errorf("%+v", list)
	}
}

// Scripts and configurations are checked as they are on disk.
func TestOtherFiles(t *testing.T) {
	e := newEditor(t)
	file := filepath.Join(t.TempDir(), "alert-engine.yml")
	text := "kafka: {brokers: [kafka:9092], topic: [logs]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e.say("textDocument/didOpen", open("file://"+file, text))
	if list := e.messages(); len(list) == 0 || !strings.Contains(list[0].Message, "topic") {
		t.Errorf("%+v", list)
	}
}

func TestCompletion(t *testing.T) {
	e := newEditor(t)
	text := rules + "    \n    when: \n    match: 'lev\n"
	e.say("textDocument/didOpen", open(uri, text))
	e.messages()
	for _, c := range []struct {
		line, character int
		want, not       string
	}{
		{11, 4, "keep_firing_for", "time_intervals"},
		{12, 10, "count", "keep_firing_for"},
		{12, 10, "order.id", "match"},
		{13, 15, "level", "count"},
		{0, 0, "time_intervals", "keep_firing_for"},
		{99, 0, "", "count"},
	} {
		var items []completionItem
		e.ask("textDocument/completion", at(uri, c.line, c.character), &items)
		has := func(label string) bool {
			return slices.ContainsFunc(
				items,
				func(i completionItem) bool { return i.Label == label },
			)
		}
		if c.want != "" && !has(c.want) || has(c.not) {
			t.Errorf("line %d: %+v", c.line, items)
		}
	}
}

// The rule under the cursor is described.
func TestHover(t *testing.T) {
	e := newEditor(t)
	e.say("textDocument/didOpen", open(uri, rules))
	e.messages()
	var h *hover
	e.ask("textDocument/hover", at(uri, 6, 3), &h)
	if h == nil ||
		!strings.HasPrefix(h.Contents.Value, "shop/Errors\n\nFor each service: fires when") {
		t.Errorf("%+v", h)
	}
	h = nil
	e.ask("textDocument/hover", at(uri, 1, 0), &h)
	if h != nil {
		t.Errorf("no rule is described as %+v", h)
	}
}

// Editors count in UTF-16 units.
func TestPositions(t *testing.T) {
	line := "a🙂é: x"
	if got := before(line, 3); got != "a🙂" {
		t.Errorf("%q", got)
	}
	if units("a🙂é") != 4 || before(line, 99) != line {
		t.Error("units are wrong")
	}
}
