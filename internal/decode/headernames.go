package decode

import (
	"strings"
)

// headerNames are the names of what the header of a line says: its time, level, host and message.
// Data behind the header that have such a name are members of the object data, so they do not
// replace what the header says.
type headerNames struct {
	names map[string]bool
	sizes [256]uint64 // by first byte in lower case, a bit for each length of a name
}

// maxHeaderName is the length of the longest name.
const maxHeaderName = 48

// newHeaderNames returns the names of a header: those given, and in lower case those that would be
// read as the same field before them.
func newHeaderNames(own map[FieldID]string, others ...string) *headerNames {
	h := &headerNames{names: map[string]bool{}}
	add := func(name string) {
		h.names[name] = true
		h.sizes[name[0]|0x20] |= 1 << len(name)
	}
	for _, name := range others {
		add(name)
	}
	for id, name := range own {
		candidates := textCandidates[id]
		if id == FieldLevel {
			candidates = nil
			for _, c := range levelCandidates {
				candidates = append(candidates, c.path)
			}
		}
		for _, path := range candidates {
			first, _, _ := strings.Cut(path, ".")
			add(strings.ToLower(strings.TrimLeft(path, "_@")))
			add(strings.ToLower(strings.TrimLeft(first, "_@")))
			if path == name {
				break
			}
		}
	}
	return h
}

// of returns the name under which data stand.
func (h *headerNames) of(name []byte) []byte {
	bare := name
	for len(bare) > 0 && (bare[0] == '_' || bare[0] == '@') {
		bare = bare[1:]
	}
	if len(bare) == 0 || len(bare) > maxHeaderName || h.sizes[bare[0]|0x20]>>len(bare)&1 == 0 {
		return name
	}
	var low [maxHeaderName]byte
	for i, c := range bare {
		if c-'A' < 26 {
			c |= 0x20
		}
		low[i] = c
	}
	if h.names[string(name)] || h.names[string(low[:len(bare)])] {
		return append([]byte("data."), name...)
	}
	return name
}

var (
	klogNames = newHeaderNames(
		map[FieldID]string{FieldLevel: "level", FieldMessage: "message"},
		"timestamp", "pid", "caller",
	)
	syslogNames = newHeaderNames(
		map[FieldID]string{FieldLevel: "level", FieldHost: "host", FieldMessage: "message"},
		"timestamp", "facility", "appname", "procid", "msgid",
	)
	tailNames = newHeaderNames(map[FieldID]string{FieldMessage: "message"},
		append([]string{"t", "m", "l", "raw", "host", "hostname"}, headPaths()...)...)
	windowsNames = newHeaderNames(
		map[FieldID]string{FieldLevel: "Level", FieldHost: "Computer", FieldMessage: "message"},
		"timestamp", "SourceName", "ProcessID", "ThreadID", "UserID", "EventID", "Task", "Opcode",
		"EventRecordID", "Version", "Channel", "Keywords", "Data",
	)
)

// headPaths are the paths at which a time or level may be, in lower case.
func headPaths() []string {
	var paths []string
	add := func(path string) {
		if path = strings.ToLower(strings.TrimLeft(path, "_@")); path != "s" {
			paths = append(paths, path)
		}
	}
	for _, path := range timeCandidates {
		add(path)
	}
	for _, c := range levelCandidates {
		add(c.path)
	}
	return paths
}
