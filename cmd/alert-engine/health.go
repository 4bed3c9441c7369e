package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

func newHealthCommand() *cobra.Command {
	var url string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running engine whether it is alive, or ready",
		Long: `Health asks the /healthz of a running engine and exits with 0 if it answers 200, else with 1.
It is the health check of containers, which have no curl. Ask /readyz for readiness.`,
		Example: `  alert-engine health
  alert-engine health --url http://127.0.0.1:8080/readyz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if u, err := neturl.Parse(url); err != nil || u.Host == "" {
				return fmt.Errorf("--url %q is not an address; write http://HOST:PORT/healthz", url)
			}
			if timeout <= 0 {
				return fmt.Errorf("--timeout %s: it is longer than 0", timeout)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return fmt.Errorf("--url: %w", err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
			for line := range strings.Lines(string(body)) {
				fmt.Fprintln(cmd.OutOrStdout(), safetext.Visible(strings.TrimRight(line, "\n")))
			}
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("%s answered %s", url, res.Status)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&url, "url", "http://127.0.0.1:8080/healthz", "address to ask")
	timeout = 3 * time.Second
	cmd.Flags().Var((*duration.Flag)(&timeout), "timeout", "give up after this time")
	return cmd
}
