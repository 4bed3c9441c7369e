package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

const (
	mcpOutput = 64 << 10 // bytes of a command's output that an assistant gets
	mcpTime   = 2 * time.Minute
	mcpTail   = 100 // logs of one answer
)

func newMCPCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Let an assistant check, test, backtest and explain rules",
		Long: `Mcp is a Model Context Protocol server on standard input and output. Its tools are commands of this
program: check, test, backtest, explain, decode, stat, suggest and search. All of them only read.

Files are those of the directory in which it is started, and below it. Topics are read with the
brokers and credentials of the configuration, and only those that it names. Logs are written by
others: an assistant that reads them should not follow instructions that they contain.`,
		Example: `  alert-engine mcp
  alert-engine mcp --config alert-engine.yml

In the settings of an assistant:
  {"mcpServers": {"alert-engine": {"command": "alert-engine", "args": ["mcp"]}}}`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.ReadFile(config); config != "" && err != nil {
				// the secrets that it names may be absent here: most tools need none
				return fmt.Errorf("--config: %w", err)
			}
			root, err := os.OpenRoot(".")
			if err != nil {
				return err
			}
			defer root.Close()
			s := assistant{config: config, root: root}
			transport := &mcp.IOTransport{
				Reader: io.NopCloser(cmd.InOrStdin()), Writer: writeCloser{cmd.OutOrStdout()},
			}
			err = s.server().Run(cmd.Context(), transport)
			if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&config, "config", "c", "",
		"configuration file for brokers, topics and credentials (default alert-engine.yml if it exists)")
	return cmd
}

type writeCloser struct{ io.Writer }

func (writeCloser) Close() error { return nil }

// assistant runs commands for an assistant.
type assistant struct {
	config string
	root   *os.Root // files outside are refused
}

// rulesInput is how an assistant names rules.
type rulesInput struct {
	Rules string   `json:"rules,omitempty" jsonschema:"text of a rule file"`
	Files []string `json:"files,omitempty" jsonschema:"rule files, if no text is given"`
}

// logsInput is how an assistant names logs.
type logsInput struct {
	LogFile string `json:"log_file,omitempty" jsonschema:"file of logs, one record a line; default: the topic is read"`
	Topic   string `json:"topic,omitempty"    jsonschema:"topic of the configuration; all of them by default"`
	Since   string `json:"since,omitempty"    jsonschema:"how far back the topic is read, such as 1d; 1h by default"`
}

type (
	testInput struct {
		Files []string `json:"files" jsonschema:"test scripts, or rule files with tests"`
	}
	backtestInput struct {
		rulesInput
		logsInput
	}
	explainInput struct {
		rulesInput
		Event string `json:"event" jsonschema:"the log, in any format"`
	}
	decodeInput struct {
		Event string `json:"event" jsonschema:"the record, in any format"`
	}
	queryInput struct {
		Query string `json:"query"           jsonschema:"such as: service:payment* level>=ERROR"`
		Topic string `json:"topic,omitempty" jsonschema:"topic of the configuration; all of them by default"`
		Since string `json:"since,omitempty" jsonschema:"how far back, such as 1d; 1h by default"`
		By    string `json:"by,omitempty"    jsonschema:"of stat: count for each value of this field"`
	}
)

// server has a tool for each command.
func (s *assistant) server() *mcp.Server {
	server := mcp.NewServer(
		&mcp.Implementation{Name: "alert-engine", Version: strings.TrimSpace(versionText())}, nil)
	add(server, "check", "Check a rule file: errors and warnings with place and hint.",
		func(in rulesInput) (call, error) { return s.withRules(in, "check") })
	add(server, "test", "Run test scripts of rules.",
		func(in testInput) (call, error) {
			files, err := s.files(in.Files)
			return call{args: append([]string{"test"}, files...)}, err
		})
	add(server, "backtest", "Show which alerts rules would have fired for past logs.",
		func(in backtestInput) (call, error) {
			c, err := s.withRules(in.rulesInput, "backtest")
			if err != nil {
				return c, err
			}
			logs, err := s.logs(in.logsInput)
			c.args = append(c.args, logs...)
			return c, err
		})
	add(server, "explain", "Explain why rules match a log or do not.",
		func(in explainInput) (call, error) {
			c, err := s.withRules(in.rulesInput, "explain")
			c.args = append(c.args, "--event="+in.Event)
			return c, err
		})
	add(server, "decode", "Show the fields that rules see in a record.",
		func(in decodeInput) (call, error) {
			return call{args: []string{"decode"}, stdin: in.Event}, nil
		})
	add(server, "stat", "Count the logs of a topic that match a query, per window.",
		func(in queryInput) (call, error) {
			logs, err := s.logs(logsInput{Topic: in.Topic, Since: in.Since})
			args := append([]string{"stat", "--by=" + in.By}, logs...)
			return call{args: append(args, "--", in.Query)}, err
		})
	add(server, "suggest", "Propose rules for the logs of a topic or a file.",
		func(in logsInput) (call, error) {
			logs, err := s.logs(in)
			return call{args: append([]string{"suggest"}, logs...)}, err
		})
	add(server, "search", fmt.Sprintf("Show up to %d logs of a topic that match a query.", mcpTail),
		func(in queryInput) (call, error) {
			logs, err := s.logs(logsInput{Topic: in.Topic, Since: in.Since})
			args := append([]string{"tail", fmt.Sprint("--limit=", mcpTail)}, logs...)
			return call{args: append(args, "--", in.Query), shorter: true}, err
		})
	return server
}

// call is a command to run for an assistant.
type call struct {
	args    []string
	stdin   string
	temp    string // directory to remove afterwards
	shorter bool   // the command follows the topic until its time has passed
}

// add adds a tool that runs a command.
func add[In any](server *mcp.Server, name, description string, prepare func(In) (call, error)) {
	tool := &mcp.Tool{
		Name: name, Description: description,
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true},
	}
	mcp.AddTool(server, tool, func(
		ctx context.Context, _ *mcp.CallToolRequest, in In,
	) (*mcp.CallToolResult, any, error) {
		c, err := prepare(in)
		if c.temp != "" {
			defer os.RemoveAll(c.temp)
		}
		if err != nil {
			return nil, nil, err
		}
		text, failed := c.run(ctx)
		return &mcp.CallToolResult{
			Content: []mcp.Content{&mcp.TextContent{Text: text}}, IsError: failed,
		}, nil, nil
	})
}

// run runs the command, and returns what it printed.
func (c call) run(ctx context.Context) (text string, failed bool) {
	limit := mcpTime
	if c.shorter {
		limit = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out, errs bytes.Buffer
	code := execute(ctx, c.args, strings.NewReader(c.stdin), &out, &errs)
	if c.temp != "" { // the assistant did not choose this name
		for _, b := range []*bytes.Buffer{&out, &errs} {
			cleaned := strings.ReplaceAll(b.String(), c.temp+string(filepath.Separator), "")
			b.Reset()
			b.WriteString(cleaned)
		}
	}
	text = safetext.Clip(out.String(), mcpOutput)
	if text != "" && errs.Len() > 0 {
		text += "\n"
	}
	return text + safetext.Clip(errs.String(), mcpOutput/8), code == 1
}

// withRules is a command over rules.
func (s *assistant) withRules(in rulesInput, command string) (call, error) {
	c := call{args: []string{command}}
	if in.Rules == "" {
		files, err := s.files(in.Files)
		c.args = append(c.args, files...)
		return c, err
	}
	var err error
	if c.temp, err = os.MkdirTemp("", "alert-engine-mcp-"); err != nil {
		return c, err
	}
	file := filepath.Join(c.temp, "rules.yml")
	c.args = append(c.args, file)
	return c, os.WriteFile(file, []byte(in.Rules), 0o600)
}

// files checks that files are below the directory.
func (s *assistant) files(names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, errors.New("no rules: give their text as rules, or the names of files")
	}
	var files []string
	for _, name := range names {
		if err := s.inside(name); err != nil {
			return nil, err
		}
		files = append(files, "./"+name) // and never a flag
	}
	return files, nil
}

// inside returns an error if a file is not below the directory.
func (s *assistant) inside(name string) error {
	_, err := s.root.Stat(name)
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = failed.Err
	}
	if err != nil {
		return fmt.Errorf("%s: %w; files are those below the directory of the server", name, err)
	}
	return nil
}

// logs are the flags that say where logs are read.
func (s *assistant) logs(in logsInput) ([]string, error) {
	if in.LogFile != "" {
		return []string{"--file=" + in.LogFile}, s.inside(in.LogFile)
	}
	since := in.Since
	if since == "" {
		since = "1h"
	}
	config, err := app.LoadConfig(configName(s.config), os.Getenv, nil)
	if err != nil {
		return nil, err
	}
	topics := slices.Concat(config.Kafka.Topics, config.Kafka.TopicPatterns)
	if len(topics) == 0 {
		return nil, errors.New(
			"no configuration names a topic; start with --config, or name a log_file",
		)
	}
	args := []string{"--since=" + since}
	if name := configName(s.config); name != "" {
		args = append(args, "--config="+name)
	}
	switch {
	case in.Topic == "":
		return args, nil
	case config.Kafka.Reads(in.Topic):
		return append(args, "--topic="+in.Topic), nil
	}
	return nil, fmt.Errorf("topic %q is not in the configuration, which has %v", in.Topic, topics)
}
