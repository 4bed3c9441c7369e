package main

import (
	"bytes"
	"cmp"
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

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/elastalert"
	"github.com/log-monitoring/alert-engine/internal/imports/loki"
	"github.com/log-monitoring/alert-engine/internal/imports/sigma"
	"github.com/log-monitoring/alert-engine/internal/imports/vmalert"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// importCommand is one run of import.
type importCommand struct {
	out, receivers string
	compare        string // past alerts of the other system
	json           bool
	failOn         string

	mapping, config, labels string
	faithful                bool
	interval                time.Duration

	source        topicSource // of --against
	file, format  string      // of --against-file
	most          int
	pipelines     []string // of Sigma, as all below
	fields        []string
	by            []string
	filter        sigma.Filter
	lists         map[string]string
	in            io.Reader
	stdout        io.Writer
	stderr        io.Writer
	relativeNames map[string]string // of the files read, for a directory of results
	roots         []string          // directories below which rules may refer to files
	unread        []imports.Remark  // files that cannot be read
}

// systems are the systems whose rules are imported. The first that recognizes a file has it.
func (c *importCommand) systems(o sigma.Options) []imports.System {
	return []imports.System{
		sigma.System{Options: o}, elastalert.System{}, vmalert.System{}, loki.System{},
	}
}

// notImported are systems whose rules are not translated, and what to do instead.
var notImported = map[string]string{
	"crowdsec": "CrowdSec's scenarios depend on what its own parsers write into a log, and most of " +
		"them are made from Sigma rules; import those with: import sigma DIRECTORY of SigmaHQ",
	"kibana": "Kibana's detection rules are not imported; those that are made from Sigma rules come " +
		"from the SigmaHQ directory, and docs/howto/migrate.md has what to write for the others",
	"opensearch": "OpenSearch Security Analytics uses Sigma rules; import these with: import sigma DIRECTORY",
	"splunk":     "Splunk searches are not imported; docs/howto/migrate.md has what to write for them",
	"graylog":    "Graylog's event definitions are not imported; docs/howto/migrate.md has what to write",
	"datadog":    "Datadog's monitors are not imported; docs/howto/migrate.md has what to write for them",
	"grafana": "Grafana-managed rules are not imported; export them as Loki rules, and import these " +
		"with: import loki FILE",
	"prometheus": "Prometheus' rules are about metrics and stay in Prometheus; docs/howto/migrate.md " +
		"has what to write for numbers that logs hold",
}

func newImportCommand() *cobra.Command {
	c := importCommand{}
	cmd := &cobra.Command{
		Use:   "import [SYSTEM] FILE|DIRECTORY...",
		Short: "Translate the rules of another system",
		Long: `Import translates rules of another system into rule files. It reports each
rule that is not exact: what differs, or why it is refused.

SYSTEM is ` + either(c.names()) + `; without it each file is recognized.
Directories are searched for YAML files. - reads the standard input.

The report goes to the standard output, or, when the rules go there, to the standard error. The
verdicts:

  exact             the same alerts
  exact with texts  and the same texts
  within a poll     the same alerts, as exactly as the other system polls
  differs           translated, with a difference that the remark says
  skipped           not asked for, or not a rule over logs
  refused           not translated

Exit status: 0 if all rules were translated, 1 if some were refused, 3 if some differ and --fail-on
warn is given.`,
		Example: `  alert-engine import sigma sigma/rules/windows -o rules/sigma/
  alert-engine import elastalert rules/ --es-config config.yaml --mapping mapping.json -o out.rules.yml
  alert-engine import elastalert rules/ --against-file app.log.gz --compare past.jsonl -o out.rules.yml
  cat rule.yml | alert-engine import - -o -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.in, c.stdout, c.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			if err := c.checkFlags(cmd, args[0]); err != nil {
				return err
			}
			return c.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(
		&c.out,
		"output",
		"o",
		"-",
		"the rule file; a directory keeps a file for each; - for the standard output",
	)
	f.BoolVar(&c.json, "json", false, "report as JSON, one remark a line")
	f.StringVar(&c.failOn, "fail-on", "refused", "exit with an error on: warn, refused or none")
	f.StringVar(&c.receivers, "receivers", "", "write an alertmanager.yml of what the rules notify")
	f.StringVar(&c.compare, "compare", "",
		"past alerts of the other system, one JSON object a line, to compare with a backtest")
	f.StringVar(
		&c.mapping,
		"mapping",
		"",
		"types of fields, as Elasticsearch answers GET index/_mapping",
	)
	f.StringVar(&c.config, "es-config", "", "config.yaml of ElastAlert")
	f.StringVar(&c.labels, "labels", "", "which fields hold the labels of Loki and vmalert")
	f.BoolVar(&c.faithful, "faithful", false, "evaluate only when the other system would have")
	f.Var(
		(*duration.Flag)(&c.interval),
		"interval",
		"time between evaluations, where the rules do not say it",
	)
	f.StringSliceVar(&c.source.topics, "against", nil,
		"decide what rules leave open by the newest logs of this topic; repeat for more")
	f.StringVar(
		&c.file,
		"against-file",
		"",
		"decide what rules leave open by the logs of this file",
	)
	f.StringVar(&c.format, "format", "auto", "format of all records of the file")
	f.IntVar(&c.most, "sample", 100_000, "read at most this many records")
	f.StringSliceVar(&c.pipelines, "pipeline", nil, "pySigma pipeline files")
	f.StringSliceVar(
		&c.fields,
		"field",
		nil,
		"names of fields in Sigma rules, as in Image=process.executable",
	)
	f.StringSliceVar(&c.by, "by", nil, "the groups of Sigma rules")
	f.StringSliceVar(&c.filter.Level, "level", nil, "only Sigma rules of these levels")
	f.StringSliceVar(&c.filter.Status, "status", nil, "only Sigma rules of these states")
	f.StringSliceVar(
		&c.filter.Logsource,
		"logsource",
		nil,
		"only Sigma rules of these products, categories or services",
	)
	f.StringSliceVar(&c.filter.Tag, "tag", nil, "only Sigma rules with one of these tags")
	f.StringToStringVar(
		&c.lists,
		"list",
		nil,
		"lists of placeholders in Sigma rules, as in admins=FILE",
	)
	c.source.addFlagsOf(cmd, brokerSettings...)
	c.source.sinceFlag(24*time.Hour, "read logs of the topics since this long ago")
	exclude(cmd, "against", "against-file")
	return cmd
}

// names are the names of the systems.
func (c *importCommand) names() (names []string) {
	for _, s := range c.systems(sigma.Options{}) {
		names = append(names, s.Name())
	}
	return names
}

// either is "a, b or c".
func either(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// flagsOf are the flags for the rules of some systems alone.
var flagsOf = map[string][]string{
	"sigma":      {"pipeline", "field", "by", "level", "status", "logsource", "tag", "list"},
	"elastalert": {"receivers", "mapping", "es-config"},
	"loki":       {"labels"},
	"vmalert":    {"labels"},
}

// checkFlags refuses flags that would do nothing.
func (c *importCommand) checkFlags(cmd *cobra.Command, system string) error {
	if c.most <= 0 {
		return fmt.Errorf("--sample %d: a sample has at least 1 record", c.most)
	}
	if err := c.filter.Validate(); err != nil {
		return fmt.Errorf("--%w", err)
	}
	if slices.Contains(c.names(), system) {
		for other, flags := range flagsOf {
			for _, name := range flags {
				if cmd.Flags().Changed(name) && !slices.Contains(flagsOf[system], name) {
					return fmt.Errorf("--%s is for rules of %s, not of %s", name, other, system)
				}
			}
		}
	}
	return errors.Join(
		onlyWith(cmd, []string{"against", "against-file"}, "sample", "compare"),
		onlyWith(cmd, []string{"against-file"}, "format"),
		onlyWith(cmd, []string{"against"}, append(brokerSettings, "config", "since")...),
	)
}

func (c *importCommand) run(ctx context.Context, args []string) error {
	if why, ok := notImported[args[0]]; ok {
		return errors.New(why)
	}
	if !slices.Contains([]string{"warn", "refused", "none"}, c.failOn) {
		return fmt.Errorf("--fail-on %q is unknown; use warn, refused or none", c.failOn)
	}
	o, err := c.sigmaOptions()
	if err != nil {
		return err
	}
	systems := c.systems(o)
	if i := slices.Index(c.names(), args[0]); i >= 0 {
		systems, args = systems[i:i+1], args[1:]
	} else if _, err := os.Stat(args[0]); err != nil && args[0] != "-" {
		return fmt.Errorf("rules of %q are not imported, and there is no such file; import knows %s",
			args[0], either(c.names()))
	}
	if len(args) == 0 {
		return fmt.Errorf(
			"no rules are named; write alert-engine import %s FILE|DIRECTORY, or - for "+
				"the standard input",
			systems[0].Name(),
		)
	}
	past, err := c.past()
	if err != nil {
		return err
	}
	files, found, err := c.read(args)
	if err != nil {
		return err
	}
	if len(files)+len(found)+len(c.unread) == 0 {
		return fmt.Errorf("no YAML file is found in %s", strings.Join(args, ", "))
	}
	options, err := c.options(ctx)
	if err != nil {
		return err
	}
	result := translate(systems, files, found, options)
	result.Report.Remarks = append(c.unread, result.Report.Remarks...)
	if err := c.write(result); err != nil {
		return err
	}
	verdict := c.report(result.Report)
	if c.compare != "" {
		if err := c.compareOld(ctx, result, past); err != nil {
			return err
		}
	}
	return verdict
}

// translate translates files that were named, and those that were found in a directory. With one
// system, named files are its own whatever they look like, so that it says what is wrong with them.
func translate(
	systems []imports.System, files, found []imports.File, o imports.Options,
) (all imports.Result) {
	all.Report = &imports.Report{}
	of, others := imports.Sort(slices.Concat(files, found), systems)
	for _, f := range others {
		named := slices.ContainsFunc(files, func(n imports.File) bool { return n.Name == f.Name })
		_, err := imports.Read(f)
		switch {
		case len(systems) == 1 && (named || err != nil):
			of[systems[0].Name()] = append(of[systems[0].Name()], f)
		case err != nil:
			all.Report.Add(imports.Unreadable(f.Name, "yaml", err))
		default:
			all.Report.Add(imports.Remark{
				File: f.Name, Line: 1, Verdict: imports.Skipped, Code: "no-rules",
				Text: "no rules of a system that is imported are recognized in it",
			})
		}
	}
	for _, s := range systems {
		if len(of[s.Name()]) == 0 {
			continue
		}
		r := s.Translate(of[s.Name()], o)
		all.Documents = append(all.Documents, r.Documents...)
		for _, m := range r.Report.Remarks {
			m.System = s.Name()
			all.Report.Add(m)
		}
		if r.Receivers != nil {
			all.Receivers = r.Receivers
		}
	}
	return all
}

const maxImport = 64 << 20

// read reads the files that are named, and those of the directories that are, in the order of their
// names.
func (c *importCommand) read(paths []string) (files, found []imports.File, err error) {
	c.relativeNames = map[string]string{}
	if err := c.note("."); err != nil {
		return nil, nil, err
	}
	for _, path := range paths {
		if path == "-" {
			data, err := io.ReadAll(io.LimitReader(c.in, maxImport))
			if err != nil {
				return nil, nil, err
			}
			files = append(files, imports.File{Name: "stdin", Data: data})
			continue
		}
		if err := c.note(path); err != nil {
			return nil, nil, err
		}
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			extensions := []string{".yml", ".yaml", ".rule", ".rules"}
			if err != nil || entry.IsDir() ||
				name != path && !slices.Contains(extensions, filepath.Ext(name)) {
				return err
			}
			data, err := readImport(name)
			f := imports.File{Name: filepath.ToSlash(name), Data: data}
			switch {
			case name == path:
				files = append(files, f)
				return err
			case err != nil: // one bad file of many stops nothing else
				c.unread = append(c.unread, imports.Remark{
					File:    f.Name,
					Line:    1,
					Verdict: imports.Refused,
					Code:    "file",
					Text:    problem.Reason(err),
				})
				return nil
			}
			c.relativeNames[f.Name], _ = filepath.Rel(path, name)
			found = append(found, f)
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return files, found, nil
}

// readImport reads a file of at most maxImport.
func readImport(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxImport+1))
	if len(data) > maxImport {
		err = fmt.Errorf("%s is larger than 64 MiB", name)
	}
	return data, err
}

// referred reads a file that a rule refers to. Rules are of others, so it has to be a regular file
// below the working directory or a directory of what is imported.
func (c *importCommand) referred(name string) ([]byte, error) {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	for _, dir := range c.roots {
		local, err := filepath.Rel(dir, absolute)
		if err != nil || !filepath.IsLocal(local) {
			continue
		}
		return readBelow(dir, local)
	}
	return nil, errors.New("it lies outside of the directories that are imported, and of the " +
		"working directory; copy it there, or start import in a directory above it")
}

// readBelow reads a regular file below a directory, to which symbolic links may lead, too.
func readBelow(dir, local string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if info, err := root.Stat(local); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := root.Open(local)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxImport+1))
	if len(data) > maxImport {
		err = errors.New("it is larger than 64 MiB")
	}
	return data, err
}

// note notes the directory of what is imported, below which rules may refer to files.
func (c *importCommand) note(path string) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if info, err := os.Stat(absolute); err == nil && !info.IsDir() {
		absolute = filepath.Dir(absolute)
	}
	if !slices.Contains(c.roots, absolute) {
		c.roots = append(c.roots, absolute)
	}
	return nil
}

// options reads what the flags name.
func (c *importCommand) options(ctx context.Context) (o imports.Options, err error) {
	o = imports.Options{Faithful: c.faithful, Interval: c.interval, Read: c.referred}
	for name, file := range map[string]**imports.File{
		c.mapping: &o.Mapping, c.config: &o.Config, c.labels: &o.Labels,
	} {
		if name == "" {
			continue
		}
		data, err := readImport(name)
		if err != nil {
			return o, err
		}
		*file = &imports.File{Name: filepath.ToSlash(name), Data: data}
	}
	if c.file != "" || len(c.source.topics) > 0 {
		o.Sample, err = c.sample(ctx)
	}
	return o, err
}

var errEnough = errors.New("the sample is complete")

// sample reads the logs of --against and --against-file.
func (c *importCommand) sample(ctx context.Context) (*imports.Sample, error) {
	s := imports.NewSample()
	add := func(l *decode.Log) error {
		if s.Add(l); s.Logs >= c.most {
			return errEnough
		}
		return nil
	}
	if c.file == "" {
		if err := c.source.logs(ctx, add); err != nil && !errors.Is(err, errEnough) {
			return nil, err
		}
		return s, nil
	}
	d, err := decode.New(decode.Config{Format: c.format}, decode.NewFields())
	if err != nil {
		return nil, err
	}
	for record, err := range decode.ReadFile(c.file, decode.ReadOptions{Time: time.Now()}) {
		if err != nil && record.Line == 0 {
			return nil, err
		}
		if err != nil || s.Logs >= c.most {
			continue
		}
		d.Decode(&record.Record, func(l *decode.Log) { _ = add(l) }, func(decode.Reason, string) {})
	}
	return s, nil
}

// sigmaOptions are the options of Sigma that flags give.
func (c *importCommand) sigmaOptions() (o sigma.Options, err error) {
	o = sigma.Options{Filter: c.filter, By: c.by, Lists: map[string][]string{}}
	for _, name := range c.pipelines {
		data, err := readImport(name)
		if err != nil {
			return o, err
		}
		p, err := sigma.ReadPipeline(name, data)
		if err != nil {
			return o, err
		}
		o.Pipelines = append(o.Pipelines, p)
	}
	if len(c.fields) > 0 {
		mapping := map[string][]string{}
		for _, f := range c.fields {
			from, to, ok := strings.Cut(f, "=")
			if !ok {
				return o, fmt.Errorf("--field %q: write it as in Image=process.executable", f)
			}
			mapping[from] = append(mapping[from], to)
		}
		o.Pipelines = append(o.Pipelines, sigma.Fields(mapping))
	}
	for name, file := range c.lists {
		if o.Lists[name], err = rule.ReadMembers(file); err != nil {
			return o, err
		}
	}
	return o, nil
}

// write writes the translated rules, each file's into one of a directory or all into one file, and
// the receivers.
func (c *importCommand) write(r imports.Result) error {
	if err := imports.Finish(r); err != nil {
		return err
	}
	if c.receivers != "" && r.Receivers != nil {
		if err := c.writeYAML(c.receivers, r.Receivers, 0o600); err != nil {
			return err
		}
	}
	if info, err := os.Stat(c.out); strings.HasSuffix(c.out, "/") || err == nil && info.IsDir() {
		for _, d := range r.Documents {
			name := c.relativeNames[d.File]
			if name == "" {
				name = filepath.Base(d.File)
			}
			name = strings.TrimSuffix(name, filepath.Ext(name)) + ".rules.yml"
			name = filepath.Join(c.out, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
				return err
			}
			if err := c.writeYAML(name, d.Root, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	if len(r.Documents) == 0 {
		return nil
	}
	return c.writeYAML(c.out, imports.Merge(r.Documents), 0o644)
}

// writeYAML writes a file. Receivers have secrets, so only their owner may read them.
func (c *importCommand) writeYAML(name string, root *yaml.Node, mode fs.FileMode) error {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return err
	}
	if name == "-" {
		_, err := c.stdout.Write(b.Bytes())
		return err
	}
	return os.WriteFile(name, b.Bytes(), mode)
}

// reportTo is where the report goes: where the rules do not.
func (c *importCommand) reportTo() io.Writer {
	if c.out == "-" {
		return c.stderr
	}
	return c.stdout
}

// noteLast puts what concerns all rules behind what concerns one.
func noteLast(m imports.Remark) int {
	if m.Verdict == imports.Note {
		return 1
	}
	return 0
}

// report prints one line for each remark, and the sums.
func (c *importCommand) report(r *imports.Report) error {
	out := c.reportTo()
	slices.SortStableFunc(r.Remarks, func(a, b imports.Remark) int {
		return cmp.Compare(noteLast(a), noteLast(b))
	})
	for _, m := range r.Remarks {
		switch {
		case c.json:
			if err := newJSONEncoder(out).Encode(m); err != nil {
				return err
			}
		case m.Text != "":
			fmt.Fprintln(out, safetext.Line(m.String()))
		}
	}
	if !c.json {
		fmt.Fprintln(out, r.Summary())
	}
	switch {
	case r.Count(imports.Refused) > 0 && c.failOn != "none":
		return exitCode(1)
	case r.Count(imports.Differs) > 0 && c.failOn == "warn":
		return exitCode(3)
	}
	return nil
}
