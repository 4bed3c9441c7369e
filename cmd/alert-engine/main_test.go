package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"alert-engine": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}})
}

// The scripts in testdata show what each command does; they can be read like a manual.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// free VAR says an address in VAR that no one listens on.
			"free": func(ts *testscript.TestScript, neg bool, args []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				ts.Check(err)
				ts.Check(l.Close())
				ts.Setenv(args[0], l.Addr().String())
			},
			// listening ADDRESS returns when a user listens there.
			"listening": func(ts *testscript.TestScript, neg bool, args []string) {
				for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
					if c, err := net.Dial("tcp", args[0]); err == nil {
						c.Close()
						return
					}
				}
				ts.Fatalf("no process listens on %s", args[0])
			},
			// hangup COMMAND sends SIGHUP to the processes in the background that run a command of
			// the program.
			"hangup": func(ts *testscript.TestScript, neg bool, args []string) {
				for _, c := range ts.BackgroundCmds() {
					if c != nil && slices.Contains(c.Args, args[0]) {
						ts.Check(c.Process.Signal(syscall.SIGHUP))
					}
				}
			},
			// get ADDRESS/PATH PATTERN asks until the answer matches, post does so once.
			"get": func(ts *testscript.TestScript, neg bool, args []string) {
				for end := time.Now().Add(30 * time.Second); ; {
					text, err := answer(http.Get("http://" + args[0]))
					if err == nil && regexp.MustCompile(args[1]).MatchString(text) {
						return
					}
					if time.Now().After(end) {
						ts.Fatalf("GET %s: %v %s, want %s", args[0], err, text, args[1])
					}
					time.Sleep(20 * time.Millisecond) // the program is another process
				}
			},
			"post": func(ts *testscript.TestScript, neg bool, args []string) {
				text, err := answer(http.Post("http://"+args[0], "", nil))
				ts.Check(err)
				if !regexp.MustCompile(args[1]).MatchString(text) {
					ts.Fatalf("POST %s: %s, want %s", args[0], text, args[1])
				}
			},
			// produce ADDRESS TOPIC FILE writes each line of a file to a topic, and a record that
			// no one can read.
			"produce": func(ts *testscript.TestScript, neg bool, args []string) {
				p, err := kafka.NewProducer(kafka.ClientConfig{Brokers: args[:1]},
					slog.New(slog.DiscardHandler))
				ts.Check(err)
				defer p.Close()
				for line := range strings.Lines(ts.ReadFile(args[2])) {
					p.Produce(
						context.Background(),
						models.Record{Topic: args[1], Value: []byte(strings.TrimSpace(line))},
					)
				}
				p.Produce(
					context.Background(),
					models.Record{Topic: args[1], Value: []byte{0, 0, 0, 0, 42, 6, 1, 2}},
				)
				ts.Check(p.Flush(context.Background()))
			},
			// occupy VAR takes a port of this machine until the script ends, and says its address
			// in VAR.
			"occupy": func(ts *testscript.TestScript, neg bool, args []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				ts.Check(err)
				ts.Defer(func() { l.Close() })
				ts.Setenv(args[0], l.Addr().String())
			},
		},
	})
}

// answer is the text of an answer.
func answer(r *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return string(text), err
}
