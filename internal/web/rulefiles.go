package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/sentence"
)

// ruleFiles are the files of rules. The pages and the API write those of one directory. All other
// files are read-only.
type ruleFiles struct {
	dir    string                            // "" for none
	file   func(name string) ([]byte, error) // reads any file of rules
	reload func(context.Context) error       // nil if that is not possible
	// writes a file for all members of a cluster; nil for none
	save  func(context.Context, RuleChange) error
	edit  func(name string) (RuleEdit, bool) // nil if edits are not known
	state *engineState

	mu sync.Mutex // guards the directory
}

// writable reports whether rules can be saved.
func (f *ruleFiles) writable() bool {
	return f.dir != "" && (f.reload != nil || f.save != nil)
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

// replace writes a writable file, or removes it when the change has no text, and reloads the rules.
// If the reload fails, it restores the file.
func (f *ruleFiles) replace(ctx context.Context, change RuleChange) error {
	name, text := change.Name, change.Text
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if f.save != nil {
		return f.replaceForAll(ctx, change)
	}
	if f.reload == nil {
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
	if err := f.reload(ctx); err != nil {
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

// replaceForAll has all members of a cluster write a file, or remove it.
func (f *ruleFiles) replaceForAll(ctx context.Context, change RuleChange) error {
	if change.Text == nil {
		if _, err := f.read(change.Name); err != nil {
			return err
		}
	}
	if err := f.save(ctx, change); err != nil {
		return &apiError{http.StatusUnprocessableEntity, err.Error()}
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

// list returns the files of the rules in force and the writable ones, sorted by path.
func (f *ruleFiles) list() []RuleFile {
	byPath := map[string]*RuleFile{}
	file := func(path string) *RuleFile {
		one := byPath[path]
		if one == nil {
			name := f.own(path)
			one = &RuleFile{Name: name, Path: path, ReadOnly: name == "", Rules: []string{}}
			if info, err := os.Stat(path); err == nil {
				one.Modified = info.ModTime()
			}
			byPath[path] = one
		}
		return one
	}
	for _, r := range f.state.ruleSet().Rules {
		one := file(r.Pos.File)
		one.Rules = append(one.Rules, r.ID())
		if one.Mode == "" {
			one.Mode = string(r.Mode)
		} else if one.Mode != string(r.Mode) {
			one.Mode = "mixed"
		}
	}
	if f.dir != "" {
		paths, _ := filepath.Glob(filepath.Join(f.dir, "*"+ruleSuffix))
		for _, path := range paths {
			file(path)
		}
	}
	list := []RuleFile{}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		list = append(list, *byPath[path])
	}
	return list
}

// ruleFileHandlers serve the API of rule files.
type ruleFileHandlers struct {
	files *ruleFiles
	audit *auditTrail
}

func (h *ruleFileHandlers) routes() []route {
	return []route{
		{"GET /api/v1/rulefiles", Reader, cheap, api(h.list)},
		{"GET /api/v1/rulefiles/{name}", Reader, cheap, api(h.get)},
		{"PUT /api/v1/rulefiles/{name}", Writer, costly, api(h.put)},
		{"DELETE /api/v1/rulefiles/{name}", Writer, costly, api(h.delete)},
		{"PUT /api/v1/rulefiles/{name}/mode", Writer, costly, api(h.putMode)},
	}
}

func (h *ruleFileHandlers) list(w http.ResponseWriter, _ *http.Request) error {
	return ok(w, h.files.list())
}

func (h *ruleFileHandlers) get(w http.ResponseWriter, r *http.Request) error {
	text, err := h.files.read(r.PathValue("name"))
	if err != nil {
		return err
	}
	for _, f := range h.files.list() {
		if f.Name == r.PathValue("name") {
			f.Text = text
			return ok(w, f)
		}
	}
	return ok(w, RuleFile{Name: r.PathValue("name"), Rules: []string{}, Text: text})
}

// put writes the body as a rule file.
func (h *ruleFileHandlers) put(w http.ResponseWriter, r *http.Request) error {
	text, err := readAll(r)
	if err != nil {
		return err
	}
	return h.save(w, r, text)
}

func (h *ruleFileHandlers) save(w http.ResponseWriter, r *http.Request, text string) error {
	name := r.PathValue("name")
	if _, err := h.files.path(name); err != nil {
		return err
	}
	if err := checkVisible(text); err != nil {
		return err
	}
	if _, err := rule.Read(name+ruleSuffix, []byte(text)); err != nil {
		return &apiError{http.StatusUnprocessableEntity, err.Error()}
	}
	if err := h.files.replace(r.Context(), RuleChange{Name: name, Text: []byte(text)}); err != nil {
		return err
	}
	h.audit.record(r, "rule file saved", "name", name)
	return ok(w, map[string]string{"name": name})
}

func (h *ruleFileHandlers) delete(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := h.files.replace(r.Context(), RuleChange{Name: name}); err != nil {
		return err
	}
	h.audit.record(r, "rule file removed", "name", name)
	return ok(w, map[string]string{"name": name})
}

// putMode sets the mode of all rules of a writable file.
func (h *ruleFileHandlers) putMode(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Mode rule.Mode `json:"mode"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	text, err := h.files.read(r.PathValue("name"))
	if err != nil {
		return err
	}
	changed, err := setMode(text, body.Mode)
	if err != nil {
		return err
	}
	return h.save(w, r, changed)
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

func (f *ruleFiles) detail(r *rule.Rule, status RuleStatus) ruleDetail {
	status.ID = r.ID()
	return ruleDetail{
		ID:       r.ID(),
		Name:     r.Name,
		Group:    r.Group,
		Mode:     r.Mode,
		Sentence: sentence.Of(r),
		File:     r.Pos.File,
		Line:     r.Pos.Line,
		ReadOnly: f.own(r.Pos.File) == "",
		Text:     f.text(r.Pos),
		Status:   status,
	}
}

func (h *ruleHandlers) getRule(w http.ResponseWriter, r *http.Request) error {
	found, err := h.state.ruleByID(r.PathValue("id"))
	if err != nil {
		return err
	}
	return ok(w, h.files.detail(found, h.state.ruleStatus()[found.ID()]))
}

// text cuts a rule out of its file: from its first line to the next line that is not indented
// deeper; or the document that the rule is.
func (f *ruleFiles) text(pos rule.Pos) string {
	if pos.Line < 1 {
		return ""
	}
	text, err := f.file(pos.File)
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
