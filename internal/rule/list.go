package rule

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/problem"
)

// MostMembers is how many members a list from a topic may have. A list is compiled into the query
// index, so its size costs all rules.
const MostMembers = 100_000

// lists reads named lists. Their values are given here, or in a file, one a line, or as the keys of a
// topic.
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

func (r *reader) listFile(list *List, n *yaml.Node) {
	if list.File = r.Text(n); !filepath.IsAbs(list.File) {
		list.File = filepath.Join(filepath.Dir(r.File), list.File)
	}
	values, err := ReadMembers(list.File)
	if err != nil {
		r.Fail(n, "", "%s", err)
	}
	list.Values = append(list.Values, values...)
}

// ReadMembers reads the members of a list from a file: one a line, but for empty lines and those
// that begin with #.
func ReadMembers(file string) (values []string, err error) {
	data, err := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			values = append(values, line)
		}
	}
	return values, err
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
