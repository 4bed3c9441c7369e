package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// connected is a client of the server, which sees the files of dir.
func connected(t *testing.T, dir string) *mcp.ClientSession {
	t.Helper()
	t.Chdir(dir)
	root, err := os.OpenRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	s := assistant{root: root}
	here, there := mcp.NewInMemoryTransports()
	if _, err := s.server().Connect(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil)
	session, err := client.Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// ask calls a tool, and returns its text and whether it failed.
func ask(t *testing.T, c *mcp.ClientSession, tool string, input map[string]any) (string, bool) {
	t.Helper()
	r, err := c.CallTool(context.Background(), &mcp.CallToolParams{Name: tool, Arguments: input})
	if err != nil {
		return err.Error(), true
	}
	var b strings.Builder
	for _, content := range r.Content {
		if text, ok := content.(*mcp.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	return b.String(), r.IsError
}

const assistedRules = `version: 1
groups:
- name: shop
  rules:
  - {alert: Errors, match: 'level>=ERROR', when: count() > 1, window: 1m, by: [service]}
tests:
- name: two
  logs: [{at: 0s, every: 1s, times: 2, log: {level: ERROR, service: pay, message: x}}]
  expect: [{alert: Errors, fires: 1s}]
`

func TestAssistantRunsCommands(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"shop.rules.yml": assistedRules, "app.log": shopLogs(),
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := connected(t, dir)
	event := `{"level":"ERROR","service":"pay","message":"x"}`
	for _, call := range []struct {
		tool  string
		input map[string]any
		want  string
	}{
		{"check", map[string]any{"rules": assistedRules}, ", 0 warnings"},
		{"check", map[string]any{"files": []string{"shop.rules.yml"}}, ", 0 warnings"},
		{"test", map[string]any{"files": []string{"shop.rules.yml"}}, ", 0 failed"},
		{"backtest", map[string]any{"rules": assistedRules, "log_file": "app.log"}, "shop/Errors"},
		{"explain", map[string]any{"rules": assistedRules, "event": event}, "Errors"},
		{"decode", map[string]any{"event": event}, "pay"},
		{"suggest", map[string]any{"log_file": "app.log"}, "ServiceErrors"},
	} {
		text, failed := ask(t, c, call.tool, call.input)
		if failed || !strings.Contains(text, call.want) {
			t.Errorf("%s %v: %v\n%s", call.tool, call.input, failed, text)
		}
	}
}

// Mistakes have a place, files outside the directory and topics that are not configured are
// refused, and nothing is taken for a flag.
func TestAssistantIsRefused(t *testing.T) {
	dir := t.TempDir()
	config := "kafka: {brokers: [127.0.0.1:1], topics: [logs]}\n"
	if err := os.WriteFile(dir+"/alert-engine.yml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := connected(t, dir)
	for _, call := range []struct {
		tool  string
		input map[string]any
		want  string
	}{
		{"check", map[string]any{"rules": "version: 1\ngroups:\n- rules: []\n"}, "rules.yml:3:3"},
		{"check", map[string]any{}, "no rules"},
		{"check", map[string]any{"files": []string{"/etc/hosts"}}, "/etc/hosts: path escapes"},
		{"check", map[string]any{"files": []string{"../x"}}, "../x: path escapes"},
		{"check", map[string]any{"files": []string{"gone.yml"}},
			"gone.yml: no such file or directory; files are those below the directory"},
		{"check", map[string]any{"files": []string{"--help"}}, "no such file"},
		{
			"backtest", map[string]any{"rules": assistedRules, "log_file": "/etc/hosts"},
			"/etc/hosts: path escapes",
		},
		{
			"search", map[string]any{"query": "--follow", "topic": "secret"},
			`topic "secret" is not in`,
		},
		{"stat", map[string]any{"query": "a", "topic": "secret"}, `topic "secret" is not in`},
	} {
		text, failed := ask(t, c, call.tool, call.input)
		if !failed || !strings.Contains(text, call.want) || strings.HasPrefix(text, "\n") {
			t.Errorf("%s %v: %v\n%s", call.tool, call.input, failed, text)
		}
	}
}
