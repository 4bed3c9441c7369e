package decode

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/pkg/models"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// keysOf collects the paths of a document, and other spellings of them.
func keysOf(paths map[string]bool, prefix string, doc []byte, depth int) {
	if depth > 4 {
		return
	}
	jsonscan.Members(doc, func(key []byte, flags uint8, v jsonscan.Span) bool {
		name := prefix + string(jsonscan.AppendText(nil, key, flags))
		paths[name] = true
		for _, other := range []string{
			strings.ToUpper(name), strings.ToLower(name), strings.TrimLeft(name, "_@"), "_" + name,
			name + ".x",
		} {
			paths[other] = true
		}
		if i := strings.LastIndexByte(name, '.'); i > 0 {
			paths[name[:i]+"."+strings.NewReplacer("/", "_", "-", "_").Replace(name[i+1:])] = true
			paths[name[:i]] = true
		}
		if v.Kind == Object {
			keysOf(paths, name+".", doc[v.Start:v.End], depth+1)
		}
		return true
	})
}

// odd are records in which one key means several fields, or that are damaged inside.
var odd = []string{
	`{"Severity":"ERROR","EventTime":"2026-05-04T10:11:12Z","Message":"m","Service":{"Name":"x"}}`,
	`{"version":"1.1","short_message":"m","_user":"ann","_Service":"pay","_level":3,"host":"h"}`,
	`{"kubernetes":{"labels":{"app.kubernetes.io/name":"a","app_kubernetes_io_name":"b",` +
		`"x/y":"1","x_y":"2","x.y":"3"}},"level":"error"}`,
	`{"@@t":"x","@t":"2026-05-04T10:11:12Z","@@l":"y","@l":"Error","@m":"m"}`,
	`{"level":"ERROR","message":"m","a":{x},"b":{"c":tru},"service":"s"}`,
	`{"level":"ERROR","kubernetes":{"pod_name":"p","odd":{1}},"message":"m","service":"s"}`,
	`{"Kubernetes":{"Pod_Name":"p"},"LEVEL":"error","Level":"info","msg":"m","Event":{"id":1}}`,
	`{"log":{"level":"warn"},"LOG":"x","event":{"message":"m","level":"error"},"time":1777889472,` +
		`"Event":"y"}`,
}

// "My rule must not change yours": what is read for one field does not depend on which other fields
// are requested.
func TestFieldsAreIndependent(t *testing.T) {
	if testing.Short() { // for the race detector; this has one goroutine
		t.Skip()
	}
	samples := slices.Concat(readSamples(t, "formats.jsonl"), readSamples(t, "more.jsonl"),
		readSamples(t, "dialects.jsonl"))
	for i, text := range odd {
		samples = append(samples, sample{
			ID:     fmt.Sprint("odd", i),
			Value:  &text,
			TimeMS: 1777889480000,
		})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range samples {
		paths := map[string]bool{}
		rec := s.record(t)
		for i := range rec.Value {
			if rec.Value[i] == '{' {
				keysOf(paths, "", rec.Value[i:], 0)
				break
			}
		}
		all := []string{
			"order", "Severity", "EventTime", "_user", "fields.msg", "user.id", "http.status",
			"Level", "MESSAGE", "a", "a.b", "stream.app", "line.service",
		}
		for p := range paths {
			all = append(all, p)
		}
		slices.Sort(all)
		read := func(fields *Fields, ids []string) (out string) {
			d, err := New(Config{}, fields)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // as learned, too
				out = ""
				d.Decode(rec, func(l *Log) {
					for id := range FieldWellKnown {
						out += fmt.Sprintf("%s=%q %s\n", fields.Path(id), l.Value(id).Text,
							l.Source(id))
					}
					for _, p := range ids {
						id, _ := fields.ID(p)
						out += fmt.Sprintf("%s=%q\n", p, l.Value(id).Text)
					}
					out += fmt.Sprintln(l.Time(), l.TimeSource(), l.Severity(), l.Format())
				}, func(reason Reason, detail string) { out += fmt.Sprintln(reason, detail) })
			}
			return out
		}
		for range 2 {
			mine := []string{all[r.IntN(len(all))], all[r.IntN(len(all))], all[r.IntN(len(all))]}
			alone := read(NewFields(mine...), mine)
			others := []string{}
			for range 1 + r.IntN(20) {
				others = append(others, all[r.IntN(len(all))])
			}
			if got := read(NewFields(append(others, mine...)...), mine); got != alone {
				t.Fatalf("%s: %s\nfields %q alone:\n%s\nwith %q:\n%s", s.ID,
					rec.Value[:min(len(rec.Value), 600)], mine, alone, others, got)
			}
		}
	}
}

// The time of a log that has it in its text may be asked for first: the text stays as it is.
func TestTimeLeavesTheMessage(t *testing.T) {
	d, err := New(Config{}, NewFields("timestamp", "level"))
	if err != nil {
		t.Fatal(err)
	}
	value := wraps["otlp"](`{"log":"2026-11-29T08:04:36.382Z\tERROR\tpayment failed\n"}`)
	d.Decode(&models.Record{Value: []byte(value)}, func(l *Log) {
		l.Lookup("timestamp")
		const want = "2026-11-29T08:04:36.382Z\tERROR\tpayment failed"
		if got := string(l.Lookup("message").Text); got != want {
			t.Errorf("the message is %q", got)
		}
		if got := string(l.Lookup("level").Text); got != "ERROR" {
			t.Errorf("the level is %q", got)
		}
	}, func(r Reason, detail string) { t.Errorf("%s: %s", r, detail) })
}
