package rule

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/strictyaml"
)

// MostMembers is how many members a list from a topic or a file may have. A list is compiled into
// the query index, so its size costs all rules.
const MostMembers = 100_000

// lists reads named lists. Their values are given here, or in a file, one a line, or as the keys of
// a topic.
func (r *reader) lists(n *yaml.Node) {
	if n == nil {
		return
	}
	for name, m := range r.Mapping(n) {
		if m.Kind == yaml.SequenceNode {
			m = &yaml.Node{
				Kind:    yaml.MappingNode,
				Line:    m.Line,
				Column:  m.Column,
				Content: []*yaml.Node{{Value: "values"}, m},
			}
		}
		v := r.Mapping(m, "file", "values", "topic")
		list := &List{Name: name, Values: r.Texts(v["values"])}
		if f := v["file"]; f != nil {
			r.listFile(list, f)
		}
		if t := v["topic"]; t != nil {
			if list.Topic = r.Text(t); list.Topic == "" {
				r.Fail(t, "name the topic whose keys are the members", "topic is empty")
			}
			if len(v) > 1 {
				r.Fail(m, "make two lists of it", "a list has either a topic, or values and a file")
			}
		}
		if r.set.Lists[name] != nil {
			r.Fail(m, "rename one", "list %q is defined twice", name)
		}
		r.set.Lists[name] = list
	}
}

// listFile reads the members of a list from a file. Only rule files on disk may name one, which is
// in their directory or below it: a rule text from elsewhere must not show the process's files.
func (r *reader) listFile(list *List, n *strictyaml.Node) {
	list.File = r.Text(n)
	if members, ok := r.members[list.Name]; ok {
		list.Values = slices.Clone(members)
		return
	}
	if !r.onDisk {
		r.Fail(n, "write the members under values", "only rule files on disk may name files")
		return
	}
	dir := filepath.Dir(r.File)
	if !filepath.IsAbs(list.File) {
		list.File = filepath.Join(dir, list.File)
	}
	values, err := readMembersBelow(dir, list.File)
	if err != nil {
		r.Fail(n, "a list is a regular file of at most 4 MiB in the directory of the rule file "+
			"or below it", "%s", err)
	}
	list.Values = append(list.Values, values...)
}

// readMembersBelow reads a regular file that is in a directory or below it.
func readMembersBelow(dir, file string) ([]string, error) {
	base, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if file, err = filepath.Abs(file); err != nil {
		return nil, err
	}
	local, err := filepath.Rel(base, file)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// a pipe would be waited for at its opening
	if info, err := root.Stat(local); err != nil {
		return nil, fmt.Errorf("list file %s: %s", local, problem.Reason(err))
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("list file %s is not a regular file", local)
	}
	f, err := root.Open(local)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readMembers(f, local)
}

// ReadMembers reads the members of a list from a file that the operator names: one a line, except
// empty lines and those that begin with #.
func ReadMembers(file string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readMembers(f, file)
}

func readMembers(f io.Reader, file string) (values []string, err error) {
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxFile:
		return nil, fmt.Errorf("list file %s is larger than 4 MiB", file)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			values = append(values, line)
		}
	}
	if len(values) > MostMembers {
		return nil, fmt.Errorf("list file %s has more than %d members", file, MostMembers)
	}
	return values, nil
}

// WithMembers returns the set with other members of some lists, by their names. The rules are the
// same ones. It is how lists from topics get their members, and how tests give members of their own
// to any list.
func (s *Set) WithMembers(members map[string][]string) (*Set, error) {
	with := *s
	with.Lists = maps.Clone(s.Lists)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		list := s.Lists[name]
		if list == nil {
			return nil, &problem.Error{
				Problem: fmt.Sprintf("list %q is not defined", name),
				Hint:    problem.DidYouMean(name, slices.Sorted(maps.Keys(s.Lists))),
			}
		}
		other := *list
		other.Values = slices.Clone(members[name])
		if other.Values == nil {
			other.Values = []string{}
		}
		with.Lists[name] = &other
	}
	return &with, nil
}

// TopicLists are the lists from topics, by their names.
func (s *Set) TopicLists() []*List {
	var lists []*List
	for _, name := range slices.Sorted(maps.Keys(s.Lists)) {
		if l := s.Lists[name]; l.Topic != "" {
			lists = append(lists, l)
		}
	}
	return lists
}

// Unknown are the lists from topics without members yet; see WithMembers.
func (s *Set) Unknown() []*List {
	return slices.DeleteFunc(s.TopicLists(), func(l *List) bool { return l.Values != nil })
}
