package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/lsp"
)

func newLSPCommand() *cobra.Command {
	var engine, tokenFile string
	cmd := &cobra.Command{
		Use:   "lsp",
		Short: "Check and complete rule files in an editor",
		Long: `Lsp is a language server on standard input and output, for rule files, test scripts and
configurations. It shows mistakes and warnings while a rule file is written, completes keys,
functions and fields, and describes the rule under the cursor in one sentence.

With --engine it also completes the fields of the logs that a running engine reads.`,
		Example: `  alert-engine lsp
  alert-engine lsp --engine http://alert-engine:8080 --token-file reader.token`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := onlyWith(cmd, []string{"engine"}, "token-file"); err != nil {
				return err
			}
			s := lsp.Server{Version: strings.TrimSpace(versionText()), Getenv: os.Getenv}
			if engine != "" {
				fields, err := engineFields(engine, tokenFile)
				if err != nil {
					return err
				}
				s.Fields = fields
			}
			return s.Run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&engine, "engine", "", "address of a running engine")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file with a token that may read there")
	return cmd
}

// engineFields asks an engine for the fields of its logs, at most once a minute.
func engineFields(address, tokenFile string) (func(context.Context) []string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("--engine %q is not an address; write http://HOST:PORT", address)
	}
	token := ""
	if tokenFile != "" {
		text, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, err
		}
		token = strings.TrimSpace(string(text))
	}
	var asked time.Time
	var known []string
	return func(ctx context.Context) []string {
		if time.Since(asked) > time.Minute {
			asked = time.Now()
			address := u.JoinPath("/api/v1/fields").String()
			if fields, err := askFields(ctx, address, token); err == nil {
				known = fields
			}
		}
		return known
	}, nil
}

func askFields(ctx context.Context, address, token string) (names []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(answer.Status)
	}
	var fields []struct {
		Field string `json:"field"`
	}
	err = json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&fields)
	for _, f := range fields {
		names = append(names, f.Field)
	}
	return names, err
}
