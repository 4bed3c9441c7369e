package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/sigma"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// importCommand is one run of import.
type importCommand struct {
	out       string
	json      bool
	failOn    string
	pipelines []string
	fields    []string
	by        []string
	filter    sigma.Filter
	lists     map[string]string

	in             io.Reader
	stdout, stderr io.Writer
}

// notImported are systems whose rules are not translated, and what to do instead.
var notImported = map[string]string{
	"crowdsec": "CrowdSec's scenarios depend on its own parsers; most of them are made from Sigma " +
		"rules, so import those from the SigmaHQ directory",
	"kibana": "Kibana's detection rules are not imported yet; those made from Sigma rules come from " +
		"the SigmaHQ directory",
	"splunk":  "Splunk searches are not imported; the table of docs/howto/migrate.md has what to write",
	"graylog": "Graylog's event definitions are not imported; docs/howto/migrate.md has what to write",
}

func newImportCommand() *cobra.Command {
	c := importCommand{}
	cmd := &cobra.Command{
		Use:   "import [SYSTEM] FILE|DIRECTORY...",
		Short: "Translate the rules of another system",
		Long: `Import translates rules of another system into rule files and reports, for each rule that is not exact, what differs or why it is refused.

SYSTEM is sigma, and need not be named. Directories are searched for .yml and .yaml files; pySigma pipelines among them are applied.
- reads the standard input.

It exits with 0 when all rules were translated, with 3 when some have a remark, and with 1 when some were refused, if --fail-on says so.`,
		Example: `  alert-engine import sigma sigma/rules/windows -o rules/sigma/
  alert-engine import sigma my.yml -o my.rules.yml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.in, c.stdout, c.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return c.run(args[0], args[1:])
		},
	}
	f := cmd.Flags()
	f.StringVarP(&c.out, "output", "o", "-", "the rule file; a directory keeps a file for each; - for the standard output")
	f.BoolVar(&c.json, "json", false, "report as JSON, one rule a line")
	f.StringVar(&c.failOn, "fail-on", "refused", "exit with an error on: warn, refused or none")
	f.StringSliceVar(&c.pipelines, "pipeline", nil, "pySigma pipeline files")
	f.StringSliceVar(&c.fields, "field", nil, "names of fields, as in Image=process.executable")
	f.StringSliceVar(&c.by, "by", nil, "the groups of translated rules")
	f.StringSliceVar(&c.filter.Level, "level", nil, "only rules of these levels")
	f.StringSliceVar(&c.filter.Status, "status", nil, "only rules of these states")
	f.StringSliceVar(&c.filter.Logsource, "logsource", nil, "only rules of these products, categories or services")
	f.StringSliceVar(&c.filter.Tag, "tag", nil, "only rules with one of these tags")
	f.StringToStringVar(&c.lists, "list", nil, "lists of placeholders, as in admins=FILE")
	return cmd
}

func (c *importCommand) run(system string, paths []string) error {
	if why, ok := notImported[system]; ok {
		return fmt.Errorf("%s", why)
	}
	if system != "sigma" { // a path, whose system is recognized
		if _, err := os.Stat(system); err != nil && system != "-" {
			return fmt.Errorf("rules of %q are not imported; known is sigma", system)
		}
		paths = append([]string{system}, paths...)
	}
	files, err := c.files(paths)
	if err != nil {
		return err
	}
	opt, rules, err := c.options(files)
	if err != nil {
		return err
	}
	documents, report := sigma.Translate(rules, opt)
	if err := c.write(documents); err != nil {
		return err
	}
	return c.report(report)
}

// files reads the files of paths, those of directories in the order of their names.
func (c *importCommand) files(paths []string) (files []sigma.File, err error) {
	if len(paths) == 0 {
		paths = []string{"-"}
	}
	for _, path := range paths {
		if path == "-" {
			data, err := io.ReadAll(io.LimitReader(c.in, maxImport))
			if err != nil {
				return nil, err
			}
			files = append(files, sigma.File{Name: "stdin", Data: data})
			continue
		}
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			ext := filepath.Ext(name)
			if err != nil || entry.IsDir() || name != path && ext != ".yml" && ext != ".yaml" {
				return err
			}
			data, err := os.ReadFile(name) // #nosec G122 -- the directory is the operator's own
			files = append(files, sigma.File{Name: filepath.ToSlash(name), Data: data})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

const maxImport = 64 << 20

// options separates the pipelines from the rules.
func (c *importCommand) options(files []sigma.File) (opt sigma.Options, rules []sigma.File, err error) {
	opt = sigma.Options{Filter: c.filter, By: c.by}
	for _, name := range c.pipelines {
		data, err := os.ReadFile(name)
		if err != nil {
			return opt, nil, err
		}
		files = append(files, sigma.File{Name: name, Data: data})
	}
	for _, f := range files {
		if !bytes.HasPrefix(f.Data, []byte("transformations:")) && !bytes.Contains(f.Data, []byte("\ntransformations:")) {
			rules = append(rules, f)
			continue
		}
		p, err := sigma.ReadPipeline(f.Name, f.Data)
		if err != nil {
			return opt, nil, err
		}
		opt.Pipelines = append(opt.Pipelines, p)
	}
	if len(c.fields) > 0 {
		mapping := map[string][]string{}
		for _, f := range c.fields {
			from, to, ok := strings.Cut(f, "=")
			if !ok {
				return opt, nil, fmt.Errorf("--field %q: write it as in Image=process.executable", f)
			}
			mapping[from] = append(mapping[from], to)
		}
		opt.Pipelines = append(opt.Pipelines, sigma.Fields(mapping))
	}
	opt.Lists = map[string][]string{}
	for name, file := range c.lists {
		if opt.Lists[name], err = rule.ReadMembers(file); err != nil {
			return opt, nil, err
		}
	}
	return opt, rules, nil
}

// write writes the translated rules: each file's into one of a directory, or all into one file.
func (c *importCommand) write(documents []rule.Document) error {
	if info, err := os.Stat(c.out); strings.HasSuffix(c.out, "/") || err == nil && info.IsDir() {
		for _, d := range documents {
			base := strings.TrimSuffix(filepath.Base(d.File), filepath.Ext(d.File))
			name := filepath.Join(c.out, filepath.Base(filepath.Dir(d.File)), base+".rules.yml")
			if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
				return err
			}
			if err := writeYAML(name, d.Root, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if len(documents) == 0 {
		return nil
	}
	var all []*yaml.Node
	for _, d := range documents {
		for _, group := range imports.Get(d.Root, "groups").Content {
			all = append(all, imports.Get(group, "rules").Content...)
		}
	}
	return writeYAML(c.out, imports.Group("sigma", all), c.stdout)
}

func writeYAML(name string, root *yaml.Node, stdout io.Writer) error {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return err
	}
	if name == "-" {
		_, err := stdout.Write(b.Bytes())
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

// report prints one line for each rule that is not exact, and the sums.
func (c *importCommand) report(r *imports.Report) error {
	for _, m := range r.Remarks {
		switch {
		case c.json:
			line, err := json.Marshal(m)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.stderr, string(line))
		case m.Text != "":
			fmt.Fprintln(c.stderr, safetext.Line(m.String()))
		}
	}
	if !c.json {
		fmt.Fprintln(c.stderr, r.Summary())
	}
	switch {
	case r.Count(imports.Refused) > 0 && slices.Contains([]string{"refused", "warn"}, c.failOn):
		return exitCode(1)
	case r.Count(imports.Warned) > 0 && c.failOn == "warn":
		return exitCode(3)
	}
	return nil
}
