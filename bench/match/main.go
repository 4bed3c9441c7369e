// Command match measures the matcher, beside everything it can be compared with, in one run.
//
//	go -C bench run ./match
//
// All numbers are CPU time, of one thread where not said otherwise, and the least of several rounds
// that take turns; trust the ratios. The workload is generated and described in workload.go,
// windows.go and groups.go. Peers get the same logs and equivalent rules, and what they find is
// compared with what we find.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

var (
	logCount = flag.Int("logs", 20_000, "how many logs the workload has")
	rounds   = flag.Int("rounds", 5, "how often everything is measured")
	only     = flag.String("only", "",
		"some parts, with commas between them: core, sigma, workers, groups, peers, consume, program")
	otherBins = flag.String("bins", "",
		"other builds of alert-engine that the part program measures, with commas between them")
	backlog = flag.Int("backlog", 1_000_000, "how many records the part program has read")
	profile = flag.String("profile", "",
		"write a CPU profile of mixed rules to this file, and measure nothing else")
	profiled = flag.Int("rules", 1000, "how many rules are profiled")
	broker   = flag.Bool("broker", false, "be the broker (for the command's own use)")
)

// part is a part of the suite.
type part struct {
	name string
	run  func()
}

var sizes = []int{10, 100, 1000, 10_000}

func main() {
	flag.Parse()
	if *broker {
		runBroker()
		return
	}
	if *profile != "" {
		writeProfile(*profile)
		return
	}
	fmt.Printf("# %s, %d CPUs, %s\n\n", runtime.Version(), runtime.NumCPU(), runtime.GOARCH)
	parts := []part{
		{"core", core},
		{"sigma", sigma},
		{"workers", workers},
		{"groups", groups},
		{"peers", peers},
		{"consume", consume},
		{"program", wholeProgram},
	}
	wanted := strings.Split(*only, ",")
	for _, name := range wanted {
		if name != "" && !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			check(fmt.Errorf("-only %s: there is no such part", name))
		}
	}
	for _, p := range parts {
		if *only == "" || slices.Contains(wanted, p.name) {
			p.run()
		}
	}
}

// engine is a decoder and a matcher over one rule set.
type engine struct {
	program *match.Index
	matcher *match.Matcher
	decoder *decode.Decoder
	found   []int32
	matched int
	logs    int
	compile time.Duration
	memory  int64 // bytes that the program keeps
	rec     models.Record
	each    func(*decode.Log)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func newEngine(queries []rule.Query, sample [][]byte) *engine {
	e := &engine{}
	before := heap()
	runtime.LockOSThread()
	start := processCPU()
	var err error
	e.program, err = match.Compile(
		queries,
		match.Options{Sample: func(fields *decode.Fields, each func(*decode.Log)) {
			d := newDecoder(fields)
			for _, b := range sample {
				d.Decode(&models.Record{Value: b}, each, reject)
			}
		}},
	)
	e.compile = processCPU() - start
	runtime.UnlockOSThread()
	check(err)
	e.matcher = e.program.NewMatcher()
	e.memory = heap() - before
	e.decoder = newDecoder(e.program.Fields())
	e.each = func(log *decode.Log) {
		e.found = e.matcher.Match(log, e.found[:0])
		e.matched += len(e.found)
		e.logs++
	}
	return e
}

func newDecoder(fields *decode.Fields) *decode.Decoder {
	d, err := decode.New(decode.Config{}, fields)
	check(err)
	return d
}

func reject(reason decode.Reason, detail string) { panic(string(reason) + ": " + detail) }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "match:", err)
		os.Exit(1)
	}
}

// rate is how many rules matched, on average over all logs so far.
func (e *engine) rate() float64 { return float64(e.matched) / float64(e.logs) }

func (e *engine) run(logs [][]byte) { run(e.decoder, logs, e.each) }

func run(d *decode.Decoder, logs [][]byte, each func(*decode.Log)) {
	rec := models.Record{}
	for _, b := range logs {
		rec.Value = b
		d.Decode(&rec, each, reject)
	}
}

// extraction decodes logs and asks for the fields that the rules mention, and does no more.
func extraction(fields *decode.Fields, paths []string) func(logs [][]byte) {
	d := newDecoder(fields)
	var ids []decode.FieldID
	for _, p := range paths {
		if id, ok := fields.ID(p); ok {
			ids = append(ids, id)
		}
	}
	bytes := 0
	each := func(log *decode.Log) {
		for _, id := range ids {
			bytes += len(log.Value(id).Text)
		}
		bytes += log.Severity()
	}
	rec := models.Record{}
	return func(logs [][]byte) {
		for _, b := range logs {
			rec.Value = b
			d.Decode(&rec, each, reject)
		}
	}
}

var mixedPaths = []string{
	"message",
	"stack",
	"service",
	"namespace",
	"kubernetes.pod_name",
	"path",
	"status",
	"duration_ms",
	"error_code",
}

// entryJSON is what a program in Go would decode a log to.
type entryJSON struct {
	Timestamp  time.Time `json:"timestamp"`
	Level      string    `json:"level"`
	Message    string    `json:"message"`
	Service    string    `json:"service"`
	Namespace  string    `json:"namespace"`
	Host       string    `json:"host"`
	TraceID    string    `json:"trace_id"`
	Status     int       `json:"status"`
	DurationMS float64   `json:"duration_ms"`
	Path       string    `json:"path"`
	Thread     string    `json:"thread"`
	ErrorCode  string    `json:"error_code"`
	Kubernetes struct {
		PodName       string            `json:"pod_name"`
		ContainerName string            `json:"container_name"`
		PodIP         string            `json:"pod_ip"`
		Labels        map[string]string `json:"labels"`
	} `json:"kubernetes"`
}

func encodingJSON(logs [][]byte) {
	for _, b := range logs {
		var e entryJSON
		check(json.Unmarshal(b, &e))
	}
}

var sets = []struct {
	name  string
	rules func(n int) []rule.Query
	limit float64 // of the cost of 10,000 over 10
}{{"mixed", mixedRules, 2.0}, {"literal", literalRules, 1.4}, {"equality", equalityRules, 1.7}}

// core measures our own side: extraction, matching by set and size, the naive loop, compilation,
// allocation and two workers.
func core() {
	logs, sample := kubernetesLogs(*logCount, 1), kubernetesLogs(4000, 2)
	fmt.Printf("## Kubernetes logs: %d of %d bytes on average\n\n", len(logs), size(logs)/len(logs))
	c := &contest{}
	mixed := newEngine(mixedRules(1000), sample)
	extract := extraction(mixed.program.Fields(), mixedPaths)
	floor := c.add("extract", len(logs), func() { extract(logs) })
	few := logs[:len(logs)/10]
	std := c.add("encoding/json", len(few), func() { encodingJSON(few) })
	engines := map[string][]*engine{}
	entries := map[string][]*entry{}
	for _, s := range sets {
		for _, n := range sizes {
			e := newEngine(s.rules(n), sample)
			engines[s.name] = append(engines[s.name], e)
			entries[s.name] = append(entries[s.name], c.add(s.name, len(logs), func() {
				e.run(logs)
			}))
		}
	}
	loop := newNaive(mixedRules(1000), mixed.program.Fields())
	loopLogs, loopDecoder := logs[:200], newDecoder(mixed.program.Fields())
	naiveEntry := c.add("naive", len(loopLogs), func() {
		for _, b := range loopLogs {
			loopDecoder.Decode(&models.Record{Value: b}, func(log *decode.Log) {
				loop.match(log, nil)
			}, reject)
		}
	})
	words := newNaive(literalRules(1000), engines["literal"][2].program.Fields())
	wordsDecoder := newDecoder(engines["literal"][2].program.Fields())
	wordsEntry := c.add("naive, literals", len(loopLogs), func() {
		for _, b := range loopLogs {
			wordsDecoder.Decode(&models.Record{Value: b}, func(log *decode.Log) {
				words.match(log, nil)
			}, reject)
		}
	})
	defined := mixedRules(1000)
	evalEntry := c.add("Eval", 20, func() {
		for _, b := range loopLogs[:20] {
			loopDecoder.Decode(&models.Record{Value: b}, func(log *decode.Log) {
				for _, q := range defined {
					match.Eval(q, log, nil)
				}
			}, reject)
		}
	})
	c.hold(*rounds)

	fmt.Printf("extraction of %d fields %.0f ns; encoding/json %.0f ns\n\n", len(mixedPaths),
		floor.best, std.best)
	fmt.Printf("%-10s", "ns/log")
	for _, n := range sizes {
		fmt.Printf("%9d", n)
	}
	fmt.Printf("%10s %8s %9s %9s %8s\n", "10k/10", "limit", "compile", "memory", "matches")
	for _, s := range sets {
		es := entries[s.name]
		fmt.Printf("%-10s", s.name)
		for _, e := range es {
			fmt.Printf("%9.0f", e.best)
		}
		last := engines[s.name][len(sizes)-1]
		fmt.Printf("%9.2fx %7.1fx %8.2fs %7.1fMB %7.2f%%\n", es[len(es)-1].best/es[0].best, s.limit,
			last.compile.Seconds(), float64(last.memory)/1e6, 100*last.rate())
	}
	thousand := entries["mixed"][2].best
	fmt.Println()
	verdict("1,000 mixed rules over extraction alone", thousand/floor.best, "<=", 2.0)
	verdict("encoding/json over 1,000 mixed rules", std.best/thousand, ">=", 8)
	verdict("naive loop over 1,000 mixed rules", naiveEntry.best/thousand, ">=", 300)
	fmt.Printf(
		"naive loop over 1,000 literal rules %.0f; match.Eval in a loop over 1,000 mixed rules "+
			"%.0f\n",
		wordsEntry.best/entries["literal"][2].best,
		evalEntry.best/thousand,
	)
	verdict("allocations per log without a match", allocations(mixed, logs), "<=", 0)
	compare(mixed, loop, logs[:2000])
	twoWorkers(sample, logs)
	fmt.Println()
}

func size(logs [][]byte) (n int) {
	for _, b := range logs {
		n += len(b)
	}
	return n
}

func verdict(what string, got float64, op string, want float64) {
	ok := got <= want
	if op == ">=" {
		ok = got >= want
	}
	word := "ok"
	if !ok {
		word = "MISSED"
	}
	fmt.Printf("%-60s %10.2f  (%s %g) %s\n", what, got, op, want, word)
}

// allocations counts objects allocated for the logs that match nothing.
func allocations(e *engine, logs [][]byte) float64 {
	var quiet [][]byte
	for _, b := range logs {
		before := e.matched
		e.rec.Value = b
		e.decoder.Decode(&e.rec, e.each, reject)
		if e.matched == before {
			quiet = append(quiet, b)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.Mallocs
	e.run(quiet)
	runtime.ReadMemStats(&m)
	if n := m.Mallocs - before; n > 10 { // the runtime's own
		return float64(n) / float64(len(quiet))
	}
	return 0
}

// compare holds what we find against what the naive loop finds.
func compare(e *engine, loop *naive, logs [][]byte) {
	wrong, found := 0, 0
	for _, b := range logs {
		e.decoder.Decode(&models.Record{Value: b}, func(log *decode.Log) {
			want := loop.match(log, nil)
			found += len(want)
			if !slices.Equal(e.matcher.Match(log, nil), want) {
				wrong++
			}
		}, reject)
	}
	fmt.Printf("%-60s %10d of %d logs, %d matches\n", "differences from the naive loop", wrong,
		len(logs), found)
}

// twoWorkers compares two workers that share a program with one. A machine that others use makes
// the wall clock useless, so the CPU time that each log costs is compared: what it does not rise by
// is gained by the second worker.
func twoWorkers(sample, logs [][]byte) {
	first := newEngine(mixedRules(1000), sample)
	work := func(e *engine) float64 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		start := threadCPU()
		for range 8 {
			e.run(logs)
		}
		return float64(threadCPU()-start) / float64(8*len(logs))
	}
	alone, together := 1e18, 1e18
	second := newEngine(mixedRules(1000), sample)
	second.program = first.program
	second.matcher = first.program.NewMatcher()
	for range *rounds {
		alone = min(alone, work(first))
		var times [2]float64
		var wg sync.WaitGroup
		for i, e := range []*engine{first, second} {
			wg.Go(func() { times[i] = work(e) })
		}
		wg.Wait()
		together = min(together, (times[0]+times[1])/2)
	}
	verdict("two workers over one, by CPU time per log", 2*alone/together, ">=", 1.85)
}

// sigma measures the set shaped like collections of detection rules.
func sigma() {
	events, sample := windowsEvents(*logCount, 1), windowsEvents(4000, 2)
	queries := detectionRules(3000)
	e := newEngine(queries, sample)
	paths := []string{"Image", "CommandLine", "ParentImage", "Hashes", "OriginalFileName", "User"}
	extract := extraction(e.program.Fields(), paths)
	c := &contest{}
	floor := c.add("extract", len(events), func() { extract(events) })
	ours := c.add("sigma", len(events), func() { e.run(events) })
	c.hold(*rounds)
	fmt.Printf(
		"## Windows-like events: %d bytes on average, %d rules shaped like detection rules\n\n",
		size(events)/len(events),
		len(queries),
	)
	fmt.Printf("extraction %.0f ns; extraction and matching %.0f ns; compiled in %.2f s, %.1f "+
		"MB; %.2f matches an event\n", floor.best, ours.best, e.compile.Seconds(),
		float64(e.memory)/1e6, e.rate())
	verdict("events per second on one core", 1e9/ours.best, ">=", 200_000)
	verdict("of the raw extraction speed", floor.best/ours.best, ">=", 0.05)
	e.matcher.Flush()
	w := e.program.Work()
	fmt.Printf(
		"expressions run per event %.2f; texts compared %.2f; most texts behind one window %d\n",
		float64(w.Regexps)/float64(w.Logs),
		float64(w.Compared)/float64(w.Logs),
		w.Longest,
	)
	compare(e, newNaive(queries, e.program.Fields()), events[:300])
	fmt.Println()
}

func writeProfile(name string) {
	logs := kubernetesLogs(*logCount, 1)
	e := newEngine(mixedRules(*profiled), kubernetesLogs(4000, 2))
	if *only == "sigma" {
		logs = windowsEvents(*logCount, 1)
		e = newEngine(detectionRules(3000), windowsEvents(4000, 2))
	}
	f, err := os.Create(name)
	check(err)
	check(pprof.StartCPUProfile(f))
	for start := processCPU(); processCPU()-start < 4*time.Second; {
		e.run(logs)
	}
	pprof.StopCPUProfile()
	check(f.Close())
}
