package logprofile

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/problem"
)

const (
	namedLogs  = 10_000 // the first logs, all of whose fields are counted
	namedEvery = 16     // after that, one log in 16
	maxNames   = 10_000
	maxName    = 256 // bytes; longer names are not counted
)

// fieldNames counts the logs that have a field, by its path.
type fieldNames map[string]int

func (n fieldNames) add(l *decode.Log) {
	e := l.Entry()
	for name, value := range map[string]string{
		"message": e.Message, "service": e.Service, "namespace": e.Namespace, "host": e.Host,
		"kubernetes.pod_name": e.Kubernetes.PodName, "trace_id": e.TraceID,
		"kubernetes.container_name": e.Kubernetes.ContainerName, "span_id": e.SpanID,
		"log_source": e.LogSource, "log_type": e.LogType,
	} {
		if value != "" {
			n.note(name)
		}
	}
	for key := range e.Kubernetes.Labels {
		n.note("kubernetes.labels." + key)
	}
	n.tree("", e.Fields)
}

func (n fieldNames) note(name string) {
	if len(name) > maxName {
		return
	}
	if _, known := n[name]; known || len(n) < maxNames {
		n[name]++
	}
}

// tree counts the fields of an object by their paths.
func (n fieldNames) tree(prefix string, fields map[string]any) {
	for key, value := range fields {
		if below, ok := value.(map[string]any); ok && len(below) > 0 {
			n.tree(prefix+key+".", below)
			continue
		}
		n.note(prefix + key)
	}
}

// nearest returns the existing field that is most like a name, "" for none: one that differs only
// in case and separators, has the same last part, or differs in few letters.
func (n fieldNames) nearest(name string) string {
	best, least := "", 100
	for _, other := range slices.SortedFunc(maps.Keys(n), func(a, b string) int {
		return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b))
	}) {
		if d := distance(name, other); d < least && other != name {
			best, least = other, d
		}
	}
	return best
}

// distance rates how different two names are, from 0 to 100.
func distance(a, b string) int {
	x, y := letters(a), letters(b)
	switch short := min(len(x), len(y)); {
	case x == y:
		return 0
	case short >= 3 && letters(last(a)) == letters(last(b)):
		return 1
	case short >= 4 && (strings.HasSuffix(x, y) || strings.HasSuffix(y, x)):
		return 2
	case short >= 4 && (strings.HasPrefix(x, y) || strings.HasPrefix(y, x)):
		return 6
	}
	if d := problem.Distance(x, y); d <= len(x)/3 {
		return 2 + d
	}
	return 100
}

// letters returns a name in lower case without separators.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("._-@/ ", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
