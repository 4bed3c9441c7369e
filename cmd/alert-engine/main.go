// Command alert-engine raises alerts from logs on Kafka topics. Each of its commands is a file of
// this package.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

func main() {
	// The first signal asks for a clean stop; a second one ends the program in the system's own
	// way, unless it comes with the first, as timeout(1) sends it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	os.Exit(execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute runs the program and returns its exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	stderr = safetext.NewWriter(stderr)
	for _, c := range root.Commands() {
		if c.Name() != "run" && c.Name() != "demo" { // these write colours, and logs of their own
			c.SetOut(safetext.NewWriter(stdout))
			c.SetErr(stderr)
		}
	}
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(stderr, "alert-engine: "+strings.TrimRight(line, "\n"))
	}
	return 1
}

// exitCode is the error of a command that has said all there is to say and ends with this code.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func newRootCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert-engine",
		Short: "Alerts from logs on Kafka",
		Long: `alert-engine reads logs from Kafka topics in any common format, evaluates them against rules, and
notifies receivers when an alert fires and when it resolves. It needs no index and no database.`,
		Example: `  alert-engine demo                             try it without Kafka
  alert-engine check my.rules.yml               check rules
  alert-engine run --brokers kafka:9092 --topic logs --rules my.rules.yml`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.Version = versionText()
	cmd.SetVersionTemplate("{{.Version}}")
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists the flags", err, c.CommandPath())
	})
	cmd.AddCommand(
		newImportCommand(),
		newDemoCommand(),
		newRunCommand(),
		newCheckCommand(),
		testCommandOver(loadRules),
		backtestCommandOver(loadRules),
		explainCommandOver(loadRules),
		newDecodeCommand(),
		newTailCommand(),
		newStatCommand(),
		newDeadLettersCommand(),
		newNotifyCommand(),
		newHealthCommand(),
		newConfigCommand(),
		newManCommand(),
		newStateCommand(),
		newFmtCommand(),
		newDoctorCommand(),
		newSchemaCommand(),
		newNewCommand(),
		newSuggestCommand(),
		newMCPCommand(),
		newLSPCommand(),
		newVersionCommand(),
	)
	for _, c := range cmd.Commands() {
		if fits := c.Args; fits != nil {
			c.Args = func(c *cobra.Command, args []string) error {
				return hintedArgs(c, fits(c, args))
			}
		}
	}
	return cmd
}

// newJSONEncoder returns an encoder whose documents hide nothing and command no terminal.
func newJSONEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(safetext.NewJSONWriter(w))
	e.SetEscapeHTML(false)
	return e
}

// hintedArgs says where it stands how a command is used that was called with too few arguments, or
// too many.
func hintedArgs(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; %s --help shows how it is used", err, c.CommandPath())
}
