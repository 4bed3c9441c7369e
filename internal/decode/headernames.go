package decode

import (
	"bytes"
	"strings"
)

// headerNames are the names of what the header of a line says: its time, level, host and message.
// Data behind the header that have such a name are members of the object data, so they do not
// replace what the header says.
type headerNames map[string]bool

// newHeaderNames returns the names of a header: those given, and in lower case those that would be
// read as the same field before them.
func newHeaderNames(own map[FieldID]string, others ...string) headerNames {
	names := headerNames{}
	for _, name := range others {
		names[name] = true
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
			names[strings.ToLower(path)], names[strings.ToLower(first)] = true, true
			if path == name {
				break
			}
		}
	}
	return names
}

// of returns the name under which data stand.
func (h headerNames) of(name []byte) []byte {
	bare := bytes.TrimLeft(name, "_@")
	var low [48]byte
	if len(bare) > len(low) {
		return name
	}
	for i, c := range bare {
		if c-'A' < 26 {
			c |= 0x20
		}
		low[i] = c
	}
	if h[string(name)] || h[string(low[:len(bare)])] {
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
	windowsNames = newHeaderNames(
		map[FieldID]string{FieldLevel: "Level", FieldHost: "Computer", FieldMessage: "message"},
		"timestamp", "SourceName", "ProcessID", "ThreadID", "UserID", "EventID", "Task", "Opcode",
		"EventRecordID", "Version", "Channel", "Keywords", "Data",
	)
)
