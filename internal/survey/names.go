package survey

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

const (
	namedLogs  = 10_000 // logs whose fields are all noted
	namedEvery = 16     // after which it is one in so many
	maxNames   = 10_000
	maxName    = 256 // bytes of a name; no rule is likely to mean a longer one
)

// names are the fields that occur, and in how many of the logs that were looked at.
type names map[string]int

func (n names) add(l *decode.Log) {
	e := l.Entry()
	for name, value := range map[string]string{
		"message": e.Message, "service": e.Service, "namespace": e.Namespace, "host": e.Host, "kubernetes.pod_name": e.Kubernetes.PodName, "trace_id": e.TraceID,
		"kubernetes.container_name": e.Kubernetes.ContainerName, "span_id": e.SpanID, "log_source": e.LogSource, "log_type": e.LogType,
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

func (n names) note(name string) {
	if len(name) > maxName {
		return
	}
	if _, known := n[name]; known || len(n) < maxNames {
		n[name]++
	}
}

// tree notes the fields of an object by their paths.
func (n names) tree(prefix string, fields map[string]any) {
	for key, value := range fields {
		if below, ok := value.(map[string]any); ok && len(below) > 0 {
			n.tree(prefix+key+".", below)
			continue
		}
		n.note(prefix + key)
	}
}

// nearest is the field that a name was most likely meant for, "" when none is near: one that
// differs in its spelling alone, or whose last part is the same, or that differs in few letters.
func (n names) nearest(name string) string {
	best, least := "", 100
	for _, other := range slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b)) }) {
		if d := far(name, other); d < least && other != name {
			best, least = other, d
		}
	}
	return best
}

// far is how little two names have to do with each other; 100 for nothing.
func far(a, b string) int {
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
	if d := rule.Distance(x, y); d <= len(x)/3 {
		return 2 + d
	}
	return 100
}

// letters is a name without what only separates its parts.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("._-@/ ", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
