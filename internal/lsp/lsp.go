// Package lsp is a language server for rule files, test scripts and configurations: mistakes while
// they are written, completion of keys, functions and fields, and each rule in plain words. It
// speaks the Language Server Protocol 3.17 on a pair of streams.
package lsp

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/sentence"
)

// Server answers one editor.
type Server struct {
	Version string
	Getenv  func(string) string
	// the fields of the logs that rules read; nil for the well-known ones alone
	Fields func(context.Context) []string

	open map[string]string // text by URI
}

// Run serves until the editor is gone, or ctx is done.
func (s *Server) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	s.open = map[string]string{}
	stream := jsonrpc2.NewBufferedStream(pipe{in, out}, codec{})
	// requests are answered one after another, in their order
	conn := jsonrpc2.NewConn(ctx, stream, jsonrpc2.HandlerWithError(s.handle))
	select {
	case <-conn.DisconnectNotify():
		return nil
	case <-ctx.Done():
		return conn.Close()
	}
}

// codec writes messages in which nothing hides or commands a terminal: their length is that of what
// an exit of hostile text would make of them.
type codec struct{ jsonrpc2.VSCodeObjectCodec }

// WriteObject implements jsonrpc2.ObjectCodec.
func (c codec) WriteObject(stream io.Writer, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return c.VSCodeObjectCodec.WriteObject(stream, json.RawMessage(safetext.JSON(text)))
}

type pipe struct {
	io.Reader
	io.Writer
}

func (pipe) Close() error { return nil }

// handle answers one request.
func (s *Server) handle(
	ctx context.Context,
	conn *jsonrpc2.Conn,
	r *jsonrpc2.Request,
) (any, error) {
	switch r.Method {
	case "initialize":
		return s.initialize(), nil
	case "initialized", "$/cancelRequest", "$/setTrace", "textDocument/willSave", "shutdown":
		return nil, nil
	case "exit":
		return nil, conn.Close()
	}
	var p documentParams
	if r.Params != nil {
		if err := json.Unmarshal(*r.Params, &p); err != nil {
			return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: err.Error()}
		}
	}
	uri := p.TextDocument.URI
	switch r.Method {
	case "textDocument/didOpen":
		s.open[uri] = p.TextDocument.Text
		return nil, s.publish(ctx, conn, p.TextDocument, true)
	case "textDocument/didChange":
		if n := len(p.ContentChanges); n > 0 {
			s.open[uri] = p.ContentChanges[n-1].Text
		}
		return nil, s.publish(ctx, conn, p.TextDocument, false)
	case "textDocument/didSave":
		return nil, s.publish(ctx, conn, p.TextDocument, true)
	case "textDocument/didClose":
		delete(s.open, uri)
		return nil, conn.Notify(ctx, "textDocument/publishDiagnostics",
			publishDiagnosticsParams{URI: uri, Diagnostics: []diagnostic{}})
	case "textDocument/completion":
		return s.complete(ctx, s.open[uri], p.Position), nil
	case "textDocument/hover":
		return s.hover(uri, p.Position), nil
	}
	return nil, &jsonrpc2.Error{
		Code: jsonrpc2.CodeMethodNotFound, Message: "not supported: " + r.Method,
	}
}

func (s *Server) initialize() initializeResult {
	var r initializeResult
	r.Capabilities.TextDocumentSync = 1
	r.Capabilities.HoverProvider = true
	r.Capabilities.CompletionProvider.TriggerCharacters = []string{" ", "(", "'", "\""}
	r.ServerInfo.Name, r.ServerInfo.Version = "alert-engine", s.Version
	return r
}

// fileOf is the name of the file of a URI.
func fileOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return uri
	}
	return filepath.FromSlash(u.Path)
}

// isRules reports whether a text is a rule file, whatever its name.
func isRules(text string) bool { return rulesKey.MatchString(text) && !scriptKey.MatchString(text) }

var (
	rulesKey  = regexp.MustCompile(`(?m)^groups:`)
	scriptKey = regexp.MustCompile(`(?m)^rule_files:`)
)

// publish checks a document. Files other than rule files are checked as they were saved.
func (s *Server) publish(
	ctx context.Context,
	conn *jsonrpc2.Conn,
	d textDocument,
	saved bool,
) error {
	text, file := s.open[d.URI], fileOf(d.URI)
	o := app.CheckOptions{Getenv: s.Getenv}
	switch {
	case isRules(text):
		o.Texts = []rule.File{{Name: file, Data: []byte(text), OnDisk: true}}
	case saved:
		o.Files = []string{file}
	default:
		return nil
	}
	p := publishDiagnosticsParams{URI: d.URI, Version: d.Version, Diagnostics: []diagnostic{}}
	report, err := app.Check(ctx, o)
	if err != nil {
		report = &app.Report{Errors: problem.List{{Problem: err.Error()}}}
	}
	lines := strings.Split(text, "\n")
	for _, e := range report.Errors {
		message := e.Problem
		if e.Hint != "" {
			message += "\n" + e.Hint
		}
		if e.Pos.File != file && e.Pos.File != "" { // of a file that this one names
			message = e.Error()
			e.Pos = problem.Pos{}
		}
		p.Diagnostics = append(p.Diagnostics, diagnostic{
			Range: lineRange(lines, e.Pos), Severity: 1, Source: "alert-engine", Message: message,
		})
	}
	for _, w := range report.Warnings {
		message := w.Text
		if w.Hint != "" {
			message += "\n" + w.Hint
		}
		p.Diagnostics = append(p.Diagnostics, diagnostic{
			Range: lineRange(lines, w.Pos), Severity: 2, Code: w.Name, Source: "alert-engine",
			Message: message,
		})
	}
	return conn.Notify(ctx, "textDocument/publishDiagnostics", p)
}

// lineRange is from a place to the end of its line.
func lineRange(lines []string, at problem.Pos) textRange {
	n := min(max(at.Line-1, 0), len(lines)-1)
	line := lines[n]
	from := min(max(at.Column-1, 0), len(line))
	return textRange{position{n, units(line[:from])}, position{n, units(line)}}
}

// units is the length of a text in UTF-16 units, in which editors count.
func units(text string) int { return len(utf16.Encode([]rune(text))) }

// before is the part of a line before the cursor.
func before(line string, character int) string {
	n := 0
	for i, c := range line {
		if n >= character {
			return line[:i]
		}
		n += utf16.RuneLen(c)
	}
	return line
}

const (
	kindFunction = 3
	kindField    = 5
	kindProperty = 10
)

var (
	keyStart   = regexp.MustCompile(`^(\s*)(?:- )?[a-z_]*$`)
	queryKey   = regexp.MustCompile(`(?:^|[\s{,-])(match|not|start|end)(\|[a-z]+)*:\s`)
	whenKey    = regexp.MustCompile(`(?:^|[\s{,-])(when|resolve):\s`)
	fieldsKey  = regexp.MustCompile(`(?:^|[\s{,-])(by|top|fields):\s`)
	rulesStart = regexp.MustCompile(`^\s*(?:- )?rules:\s*$`)
)

// complete proposes what may stand at a place.
func (s *Server) complete(ctx context.Context, text string, at position) []completionItem {
	lines := strings.Split(text, "\n")
	if at.Line >= len(lines) {
		return []completionItem{}
	}
	line := before(lines[at.Line], at.Character)
	items := []completionItem{}
	add := func(kind int, detail string, names ...string) {
		for _, name := range names {
			items = append(items, completionItem{name, kind, detail})
		}
	}
	switch {
	case whenKey.MatchString(line):
		add(kindFunction, "function of conditions", rule.FunctionNames()...)
		add(kindField, "field", s.fields(ctx)...)
	case queryKey.MatchString(line), fieldsKey.MatchString(line):
		add(kindField, "field", s.fields(ctx)...)
	case keyStart.MatchString(line):
		file, group, one := rule.Keys()
		switch level(lines[:at.Line], line) {
		case 0:
			add(kindProperty, "key of the file", file...)
		case 1:
			add(kindProperty, "key of a group", append(group, "rules")...)
		default:
			add(kindProperty, "key of a rule", one...)
		}
	}
	return items
}

// level is 0 at the level of the file, 1 in a group, and 2 in a rule.
func level(above []string, line string) int {
	indent := func(text string) int { return len(text) - len(strings.TrimLeft(text, " ")) }
	if indent(line) == 0 && !strings.HasPrefix(line, "- ") {
		return 0
	}
	for i := len(above) - 1; i >= 0; i-- {
		if rulesStart.MatchString(above[i]) {
			return 2
		}
		if strings.HasPrefix(above[i], "groups:") {
			return 1
		}
	}
	return 1
}

// fields are those of the logs, without repetition. A name with hidden characters would be put into
// a rule unseen, and is left out.
func (s *Server) fields(ctx context.Context) []string {
	names := decode.WellKnown()
	if s.Fields != nil {
		names = append(names, s.Fields(ctx)...)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return safetext.Line(name) != name })
	slices.Sort(names)
	return slices.Compact(names)
}

// hover describes the rule at a place; nil where there is none.
func (s *Server) hover(uri string, at position) *hover {
	file := fileOf(uri)
	set, err := rule.LoadWith([]rule.File{{Name: file, Data: []byte(s.open[uri]), OnDisk: true}})
	if err != nil {
		return nil
	}
	rules := slices.Clone(set.Rules)
	slices.SortFunc(rules, func(a, b *rule.Rule) int { return cmp.Compare(b.Pos.Line, a.Pos.Line) })
	for _, r := range rules {
		if r.Pos.Line <= at.Line+1 {
			return &hover{Contents: markup{"plaintext", r.ID() + "\n\n" + sentence.Of(r)}}
		}
	}
	return nil
}
