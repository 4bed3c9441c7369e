package main

import (
	"context"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
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
			// free VAR says an address in VAR that nobody listens on.
			"free": func(ts *testscript.TestScript, neg bool, args []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				ts.Check(err)
				ts.Check(l.Close())
				ts.Setenv(args[0], l.Addr().String())
			},
			// listening ADDRESS returns when somebody listens there.
			"listening": func(ts *testscript.TestScript, neg bool, args []string) {
				for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
					if c, err := net.Dial("tcp", args[0]); err == nil {
						c.Close()
						return
					}
				}
				ts.Fatalf("nobody listens on %s", args[0])
			},
			// interrupt NAME sends SIGINT to a command in the background.
			"interrupt": func(ts *testscript.TestScript, neg bool, args []string) {
				for _, c := range ts.BackgroundCmds() {
					if c != nil {
						ts.Check(c.Process.Signal(os.Interrupt))
					}
				}
			},
			// occupy VAR takes a port of this machine until the script ends, and says its address in VAR.
			"occupy": func(ts *testscript.TestScript, neg bool, args []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				ts.Check(err)
				ts.Defer(func() { l.Close() })
				ts.Setenv(args[0], l.Addr().String())
			},
		},
	})
}
