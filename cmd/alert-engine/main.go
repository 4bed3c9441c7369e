// Command alert-engine raises alerts from logs on Kafka topics. Each of its commands is a file of
// this package.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

func main() {
	// The first signal asks for a clean stop; a second one ends the program in the system's own
	// way, unless it comes with the first, as timeout(1) sends it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	stdin := &interruptible{ctx: ctx, from: os.Stdin}
	os.Exit(execute(ctx, os.Args[1:], stdin, os.Stdout, os.Stderr))
}

// interruptible ends a read that waits, as of a terminal, when a context is done. It is read by one
// goroutine.
type interruptible struct {
	ctx  context.Context
	from io.Reader
	rest []byte
	err  error
	read chan readBytes // of the read under way; nil for none
}

type readBytes struct {
	data []byte
	err  error
}

func (r *interruptible) Read(p []byte) (int, error) {
	if len(r.rest) == 0 && r.err == nil {
		if r.read == nil {
			r.read = make(chan readBytes, 1)
			go func() {
				buffer := make([]byte, 64<<10)
				n, err := r.from.Read(buffer)
				r.read <- readBytes{buffer[:n], err}
			}()
		}
		select {
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		case got := <-r.read:
			r.rest, r.err, r.read = got.data, got.err, nil
		}
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) > 0 {
		return n, nil
	}
	return n, r.err
}

// interrupted is the exit code of a command that Ctrl-C ended, as shells have it.
const interrupted = 130

// execute runs the program and returns its exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	stderr = safetext.NewWriter(stderr)
	for _, c := range root.Commands() {
		switch c.Name() {
		case "run", "demo": // these write colours, and logs of their own
		case "lsp": // its messages have lengths, so it escapes them itself
			c.SetErr(stderr)
		default:
			c.SetOut(safetext.NewWriter(stdout))
			c.SetErr(stderr)
		}
	}
	err := unknownCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return 0
	}
	var code exitCode
	switch coded := errors.As(err, &code); {
	case ctx.Err() != nil && (coded || errors.Is(err, context.Canceled)):
		fmt.Fprintln(stderr, "alert-engine: interrupted")
		return interrupted
	case coded:
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
		Args:          cobra.ArbitraryArgs, // unknownCommand refuses them
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.Version = versionText()
	cmd.SetVersionTemplate("{{.Version}}")
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%s; %s --help lists the flags", flagText(err), c.CommandPath())
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
	hintArgs(cmd.Commands())
	completeFlags(cmd.Commands())
	return cmd
}

// completeFlags lets a shell complete the values of flags that have few.
func completeFlags(commands []*cobra.Command) {
	values := map[string][]string{
		"format":         decode.Formats(),
		"log-format":     {"text", "json"},
		"log-level":      {"debug", "info", "warn", "error"},
		"sasl-mechanism": app.Mechanisms,
		"start":          {"start", "end"},
	}
	for _, c := range commands {
		completeFlags(c.Commands())
		for name, list := range values {
			if c.Flags().Lookup(name) != nil {
				completeFlag(c, name, list)
			}
		}
	}
}

// completeFlag lets a shell complete the values of a flag that the command has.
func completeFlag(c *cobra.Command, name string, values []string) {
	complete := cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // the flag exists, and is completed once
	}
}

// unknownCommand returns an error for arguments that name a command which does not exist. Cobra
// prints the help of a group of commands in that case, and returns no error.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd ||
		args[0] == cobra.ShellCompNoDescRequestCmd) {
		return nil
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if c.Name() == "help" {
		return unknownCommand(root, rest)
	}
	if c.Runnable() || c.ParseFlags(rest) != nil || c.Flags().NArg() == 0 {
		return nil
	}
	name, meant := c.Flags().Arg(0), ""
	var names []string
	for _, one := range c.Commands() {
		names = append(names, one.Name())
	}
	if near := problem.Closest(name, names); near != "" {
		meant = fmt.Sprintf("did you mean %q? ", near)
	}
	return fmt.Errorf("unknown command %q for %q; %s%s --help lists the commands", name,
		c.CommandPath(), meant, c.CommandPath())
}

// newJSONEncoder returns an encoder whose documents hide nothing and command no terminal.
func newJSONEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(safetext.NewJSONWriter(w))
	e.SetEscapeHTML(false)
	return e
}

// hintArgs has errors about arguments say which ones a command takes, after those about flags that
// are missing or exclude each other.
func hintArgs(commands []*cobra.Command) {
	for _, c := range commands {
		hintArgs(c.Commands())
		fits := c.Args
		if fits == nil {
			continue
		}
		c.Args = func(c *cobra.Command, args []string) error {
			if err := checkFlags(c); err != nil {
				return err
			}
			err := fits(c, args)
			switch {
			case err == nil:
				return nil
			case len(args) == 1 && len(c.ValidArgs) > 0:
				return fmt.Errorf("%w; use one of: %s", err, strings.Join(c.ValidArgs, ", "))
			}
			path := strings.TrimSuffix(c.CommandPath(), c.Name())
			err = errMissing
			for n := range args {
				if fits(c, args[:n]) == nil && fits(c, args[:n+1]) != nil {
					err = fmt.Errorf("%q is an argument too many", args[n])
				}
			}
			return fmt.Errorf("%w; write %s%s; %s --help shows how it is used", err, path, c.Use,
				c.CommandPath())
		}
	}
}

var errMissing = errors.New("an argument is missing")

// given reports whether one of the flags was given.
func given(cmd *cobra.Command, flags ...string) bool {
	return slices.ContainsFunc(flags, func(name string) bool { return cmd.Flags().Changed(name) })
}

// onlyWith refuses flags that do nothing without one of some others.
func onlyWith(cmd *cobra.Command, with []string, flags ...string) error {
	if given(cmd, with...) {
		return nil
	}
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf(
				"--%s does nothing without --%s; %s --help shows how it is used",
				name,
				strings.Join(with, " or --"),
				cmd.CommandPath(),
			)
		}
	}
	return nil
}

// excludes is the annotation of a flag with the names of the flags that it excludes.
const excludes = "alert_engine_excludes"

// exclude has each of some flags exclude another one.
func exclude(cmd *cobra.Command, flag string, others ...string) {
	for _, name := range others {
		cmd.MarkFlagsMutuallyExclusive(flag, name) // so that a shell does not complete both
	}
	if err := cmd.Flags().SetAnnotation(flag, excludes, others); err != nil {
		panic(err) // the flag is defined before
	}
}

// checkFlags returns an error for a flag that is missing, and for flags that exclude each other.
// Cobra checks the same after us, with errors that have no type.
func checkFlags(c *cobra.Command) (err error) {
	fail := func(format string, args ...any) {
		if err == nil {
			err = fmt.Errorf(format+"; %s --help shows how it is used",
				append(args, c.CommandPath())...)
		}
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if len(f.Annotations[cobra.BashCompOneRequiredFlag]) > 0 && !f.Changed {
			fail("--%s is missing", f.Name)
		}
		for _, other := range f.Annotations[excludes] {
			if f.Changed && c.Flags().Changed(other) {
				names := []string{f.Name, other}
				slices.Sort(names)
				fail("--%s and --%s exclude each other", names[0], names[1])
			}
		}
	})
	return err
}

// flagText is the text of an error about the value of a flag, without the words of package strconv.
func flagText(err error) string {
	number, ok := errors.AsType[*strconv.NumError](err)
	if !ok {
		return err.Error()
	}
	ours := map[string]string{
		"Atoi":       "it is not a whole number",
		"ParseInt":   "it is not a whole number",
		"ParseUint":  "it is not a whole number from 0 on",
		"ParseFloat": "it is not a number",
		"ParseBool":  "write true or false",
	}[number.Func]
	if errors.Is(number, strconv.ErrRange) {
		ours = "it is out of range"
	}
	return strings.Replace(err.Error(), number.Error(), cmp.Or(ours, number.Error()), 1)
}
