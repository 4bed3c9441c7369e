package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/atomicfile"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/sentence"
)

// ruleFiles are the rule files that the pages and the API write. They are in one directory. All
// other rule files are read-only.
type ruleFiles struct {
	dir string
	mu  sync.Mutex // guards the directory
}

// RuleFile is a file of rules in force, or one in the writable directory.
type RuleFile struct {
	Name     string    `json:"name,omitempty"` // of a writable file
	Path     string    `json:"path"`
	ReadOnly bool      `json:"read_only"` // not in the writable directory
	Rules    []string  `json:"rules"`     // IDs of the rules in force
	Mode     string    `json:"mode,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	Text     string    `json:"text,omitempty"`
}

const ruleSuffix = ".rules.yml"

// ruleFileName is the syntax of a writable file's name. It cannot leave the directory.
var ruleFileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func (f *ruleFiles) path(name string) (string, error) {
	if f.dir == "" {
		return "", missing("a directory for editable rules (data_dir)")
	}
	if !ruleFileName.MatchString(name) {
		return "", badRequest(
			"%q is not a rule file name (use letters, digits, - and _)",
			safetext.Clip(safetext.Visible(name), 80),
		)
	}
	return filepath.Join(f.dir, name+ruleSuffix), nil
}

// own is the name of a writable file; "" for other files.
func (f *ruleFiles) own(path string) string {
	name, is := strings.CutSuffix(filepath.Base(path), ruleSuffix)
	if f.dir == "" || !is || filepath.Clean(filepath.Dir(path)) != filepath.Clean(f.dir) {
		return ""
	}
	return name
}

func (f *ruleFiles) read(name string) (string, error) {
	path, err := f.path(name)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", notFound("no editable rule file %q", name)
	}
	return string(text), err
}

// replace writes a writable file, or removes it when text is nil, and reloads the rules. If the
// reload fails, it restores the file.
func (f *ruleFiles) replace(
	ctx context.Context,
	name string,
	text []byte,
	reload func(context.Context) error,
) error {
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if reload == nil {
		return missing("reloading")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if text == nil && before == nil {
		return notFound("no editable rule file %q", name)
	}
	if err := write(path, text); err != nil {
		return fmt.Errorf("write rule file: %w", err)
	}
	if err := reload(ctx); err != nil {
		return errors.Join(
			&apiError{http.StatusUnprocessableEntity, err.Error()},
			write(path, before),
		)
	}
	if before != nil && !bytes.Equal(before, text) {
		return f.keepVersion(name, before, time.Now())
	}
	return nil
}

// write replaces a file atomically, or removes it when text is nil.
func write(path string, text []byte) error {
	if text == nil {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return atomicfile.Write(path, text)
}

// ruleFileList returns the files of the rules in force and the writable ones, sorted by path.
func (s *Server) ruleFileList() []RuleFile {
	byPath := map[string]*RuleFile{}
	file := func(path string) *RuleFile {
		f := byPath[path]
		if f == nil {
			name := s.files.own(path)
			f = &RuleFile{Name: name, Path: path, ReadOnly: name == "", Rules: []string{}}
			if info, err := os.Stat(path); err == nil {
				f.Modified = info.ModTime()
			}
			byPath[path] = f
		}
		return f
	}
	for _, r := range s.state.ruleSet().Rules {
		f := file(r.Pos.File)
		f.Rules = append(f.Rules, r.ID())
		if f.Mode == "" {
			f.Mode = string(r.Mode)
		} else if f.Mode != string(r.Mode) {
			f.Mode = "mixed"
		}
	}
	if s.files.dir != "" {
		paths, _ := filepath.Glob(filepath.Join(s.files.dir, "*"+ruleSuffix))
		for _, path := range paths {
			file(path)
		}
	}
	list := []RuleFile{}
	for _, f := range byPath {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b RuleFile) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

func (s *Server) listRuleFiles(w http.ResponseWriter, _ *http.Request) error {
	return ok(w, s.ruleFileList())
}

func (s *Server) getRuleFile(w http.ResponseWriter, r *http.Request) error {
	text, err := s.files.read(r.PathValue("name"))
	if err != nil {
		return err
	}
	for _, f := range s.ruleFileList() {
		if f.Name == r.PathValue("name") {
			f.Text = text
			return ok(w, f)
		}
	}
	return ok(w, RuleFile{Name: r.PathValue("name"), Rules: []string{}, Text: text})
}

// putRuleFile writes the body as a rule file.
func (s *Server) putRuleFile(w http.ResponseWriter, r *http.Request) error {
	text, err := readAll(r)
	if err != nil {
		return err
	}
	return s.saveRules(w, r, text)
}

func (s *Server) saveRules(w http.ResponseWriter, r *http.Request, text string) error {
	name := r.PathValue("name")
	if _, err := s.files.path(name); err != nil {
		return err
	}
	if err := checkVisible(text); err != nil {
		return err
	}
	if _, err := rule.Read(name+ruleSuffix, []byte(text)); err != nil {
		return &apiError{http.StatusUnprocessableEntity, err.Error()}
	}
	if err := s.files.replace(r.Context(), name, []byte(text), s.Reload); err != nil {
		return err
	}
	s.audit.record(r, "rule file saved", "name", name)
	return ok(w, map[string]string{"name": name})
}

func (s *Server) deleteRuleFile(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := s.files.replace(r.Context(), name, nil, s.Reload); err != nil {
		return err
	}
	s.audit.record(r, "rule file removed", "name", name)
	return ok(w, map[string]string{"name": name})
}

// putMode sets the mode of all rules of a writable file.
func (s *Server) putMode(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Mode rule.Mode `json:"mode"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	text, err := s.files.read(r.PathValue("name"))
	if err != nil {
		return err
	}
	changed, err := setMode(text, body.Mode)
	if err != nil {
		return err
	}
	return s.saveRules(w, r, changed)
}

// setMode sets the mode of all rules in the text of a rule file. It keeps comments.
func setMode(text string, mode rule.Mode) (string, error) {
	if !slices.Contains([]rule.Mode{rule.Live, rule.Shadow, rule.Signal, rule.Off}, mode) {
		return "", badRequest(
			"%q is not a mode (use live, shadow or off)",
			safetext.Clip(string(mode), 80),
		)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return "", &apiError{http.StatusUnprocessableEntity, err.Error()}
	}
	for _, group := range children(child(&doc, "groups")) {
		for _, one := range children(child(group, "rules")) {
			if at := child(one, "mode"); at != nil {
				at.SetString(string(mode))
			} else if one.Kind == yaml.MappingNode {
				key, value := &yaml.Node{}, &yaml.Node{}
				key.SetString("mode")
				value.SetString(string(mode))
				one.Content = append(one.Content, key, value)
			}
		}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return "", err
	}
	return out.String(), nil
}

// child is the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n != nil && n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func children(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// ruleDetail describes a rule.
type ruleDetail struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Group    string    `json:"group"`
	Mode     rule.Mode `json:"mode"`
	Sentence string    `json:"sentence"` // description in one sentence
	File     string    `json:"file"`
	Line     int       `json:"line"`
	ReadOnly bool      `json:"read_only"`
	// text in its file; "" when the file cannot be read
	Text   string     `json:"text"`
	Status RuleStatus `json:"status"`
}

func (s *Server) ruleDetail(r *rule.Rule, status RuleStatus) ruleDetail {
	status.ID = r.ID()
	return ruleDetail{
		ID:       r.ID(),
		Name:     r.Name,
		Group:    r.Group,
		Mode:     r.Mode,
		Sentence: sentence.Of(r),
		File:     r.Pos.File,
		Line:     r.Pos.Line,
		ReadOnly: s.files.own(r.Pos.File) == "",
		Text:     s.ruleText(r.Pos),
		Status:   status,
	}
}

func (s *Server) getRule(w http.ResponseWriter, r *http.Request) error {
	found, err := s.state.ruleByID(r.PathValue("id"))
	if err != nil {
		return err
	}
	return ok(w, s.ruleDetail(found, s.state.ruleStatus()[found.ID()]))
}

// ruleText cuts a rule out of its file: from its first line to the next line that is not indented
// deeper; or the document that the rule is.
func (s *Server) ruleText(pos rule.Pos) string {
	if pos.Line < 1 {
		return ""
	}
	text, err := s.RuleFile(pos.File)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(text), "\n")
	if pos.Line > len(lines) {
		return ""
	}
	lines = lines[pos.Line-1:]
	indent := func(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
	first := indent(lines[0])
	if first == 0 && pos.Column < 2 { // a document that is one rule, such as one of Sigma
		if end := slices.IndexFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, "---")
		}); end > 0 {
			lines = lines[:end]
		}
		return strings.TrimSpace(strings.Join(lines, "\n"))
	}
	end := 1
	for i, line := range lines[1:] {
		trimmed := strings.TrimSpace(line)
		if trimmed != "" && indent(line) <= first {
			break
		}
		if trimmed != "" && !(strings.HasPrefix(trimmed, "#") && indent(line) <= first) {
			end = i + 2
		}
	}
	for i := range end {
		lines[i] = strings.TrimPrefix(lines[i], strings.Repeat(" ", min(first, indent(lines[i]))))
	}
	return strings.Join(lines[:end], "\n")
}

// readRuleFile reads a regular file of at most 4 MiB.
func readRuleFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > 4<<20 {
		return nil, fmt.Errorf("%s is not a regular file of at most 4 MiB", name)
	}
	return os.ReadFile(name)
}

// ruleProblem is an error in a rule file.
type ruleProblem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Problem string `json:"problem"`
	Hint    string `json:"hint,omitempty"`
}

// validation is the result of reading the text of a rule file.
type validation struct {
	Valid    bool          `json:"valid"`
	Problems []ruleProblem `json:"problems"`
	Rules    []ruleRead    `json:"rules"`
}

type ruleRead struct {
	ID       string `json:"id"`
	Sentence string `json:"sentence"`
	// match as written; "" when absent or a map
	Query    string   `json:"query"`
	Mode     string   `json:"mode"`
	Notifies []string `json:"notifies"` // receivers, as far as fixed labels decide
}

func (s *Server) readRules(text string) (validation, *rule.Set) {
	out := validation{Problems: []ruleProblem{}, Rules: []ruleRead{}}
	set, err := rule.Read("", []byte(text))
	if errs, is := errors.AsType[problem.List](err); is {
		for _, e := range errs {
			out.Problems = append(
				out.Problems,
				ruleProblem{e.Pos.Line, e.Pos.Column, e.Problem, e.Hint},
			)
		}
		return out, nil
	}
	if err != nil {
		out.Problems = append(out.Problems, ruleProblem{Problem: err.Error()})
		return out, nil
	}
	for _, r := range set.Rules {
		out.Problems = append(out.Problems, s.uncomputable(r)...)
	}
	if len(out.Problems) > 0 {
		return out, nil
	}
	out.Valid = true
	for _, r := range set.Rules {
		out.Rules = append(out.Rules, ruleRead{
			r.ID(), sentence.Of(r), r.MatchText, string(r.Mode),
			append([]string{}, s.notifies(r)...),
		})
	}
	return out, set
}

// uncomputable is what a rule asks for that the engine cannot compute.
func (s *Server) uncomputable(r *rule.Rule) (list []ruleProblem) {
	if s.CheckRule == nil {
		return nil
	}
	err := s.CheckRule(r)
	if err == nil {
		return nil
	}
	if errs, is := errors.AsType[problem.List](err); is {
		for _, e := range errs {
			list = append(list, ruleProblem{e.Pos.Line, e.Pos.Column, e.Problem, e.Hint})
		}
		return list
	}
	if e, is := errors.AsType[*problem.Error](err); is {
		return []ruleProblem{{e.Pos.Line, e.Pos.Column, e.Problem, e.Hint}}
	}
	return []ruleProblem{{Line: r.Pos.Line, Column: r.Pos.Column, Problem: err.Error()}}
}

func (s *Server) postValidate(w http.ResponseWriter, r *http.Request) error {
	text, err := readAll(r)
	if err != nil {
		return err
	}
	out, _ := s.readRules(text)
	return ok(w, out)
}

// checkVisible returns an error if the text of a rule file has hidden characters, so that a rule
// means what it looks like.
func checkVisible(text string) error {
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if shown := safetext.Visible(line); shown != line {
			return &apiError{http.StatusUnprocessableEntity, fmt.Sprintf(
				"%d:1: hidden character: %s (write it as \\x{…} in a regular expression)",
				i+1, safetext.Clip(shown, 120),
			)}
		}
	}
	return nil
}
