package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// repair is a part of the engine without which a promise does not hold. It is taken out of the
// sources for a build, which shows that the comparison would notice its loss.
type repair struct {
	file, old, new string
}

var repairs = map[string][]repair{
	// Of the transitions of an alert only the newest waits, as in a table by alert.
	"queue": {{
		"internal/notify/states.go",
		"func (b *states) push(s *state, t step) {\n",
		"func (b *states) push(s *state, t step) {\n" +
			"\tif last := s.lastOrNil(); last != nil && len(s.Notified) == 0 {\n" +
			"\t\ts.Steps = s.Steps[:len(s.Steps)-1]\n\t}\n",
	}},
	// firing() is what the other rule has decided so far, whenever in event time that is.
	"firing": {{
		"internal/alerting/firing.go",
		"func(s firingSpan) { found = found || s.from <= at && at < s.to })\n",
		"func(s firingSpan) { found = found || s.to == never })\n",
	}},
	// A span of records counts however often members pass it on, and the next owner of a partition
	// reads some of its records again.
	"positions": {{
		"internal/cluster/positions.go",
		"\tcase at.To <= is.Next:\n\t\treturn 0, Known\n\t}\n",
		"\tcase at.From < is.Next:\n\t\treturn at.From, Applied\n\t}\n",
	}, {
		"internal/cluster/scanner.go",
		"\t\ts.starts[name] = is\n",
		"\t\tis.Next = max(is.Next-400, 0)\n\t\ts.starts[name] = is\n",
	}},
	// A snapshot counts though half of it is missing.
	"snapshot": {{
		"internal/app/clusterstate.go",
		"\t\t\t\tif isHistory(key) {\n\t\t\t\t\treturn nil\n\t\t\t\t}\n\t\t\t\treturn put(key, value)\n",
		"\t\t\t\tif isHistory(key) || key[0] == 'g' && key[len(key)-1]&1 == 0 {\n" +
			"\t\t\t\t\treturn nil\n\t\t\t\t}\n\t\t\t\treturn put(key, value)\n",
	}},
	// An outage is like any other time without logs.
	"outage": {{
		"internal/kafka/outage.go",
		"func (a *availability) settling(now time.Time, grace time.Duration) bool {\n",
		"func (a *availability) settling(now time.Time, grace time.Duration) bool {\n" +
			"\ta.ended = time.Time{}\n",
	}},
}

func repairNames() string {
	var names []string
	for name := range repairs {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// without has the engine be built without a repair.
func without(name, dir string) error {
	list, ok := repairs[name]
	if !ok {
		return fmt.Errorf("there is no repair %q; there are %s", name, repairNames())
	}
	replace := map[string]string{}
	for _, r := range list {
		source, err := filepath.Abs(filepath.Join("..", r.file))
		if err != nil {
			return err
		}
		text, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		if strings.Count(string(text), r.old) != 1 {
			return fmt.Errorf("%s has changed: the repair %q is not where it was", r.file, name)
		}
		replace[source] = filepath.Join(dir, filepath.Base(r.file))
		text = []byte(strings.Replace(string(text), r.old, r.new, 1))
		if err := os.WriteFile(replace[source], text, 0o600); err != nil {
			return err
		}
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return err
	}
	return os.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -overlay="+overlay)
}
