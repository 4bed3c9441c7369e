package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// The second workload is shaped like the public collections of detection rules: alternatives by the
// thousand, names of programs that all end in .exe, literals of two and three bytes, filters of
// what is known to be harmless, and expressions; over events like those that Windows hosts write
// when processes start.

var (
	programs = names(
		"cmd powershell rundll32 regsvr32 mshta wscript cscript certutil bitsadmin schtasks net "+
			"net1 whoami tasklist svchost explorer winword excel outlook chrome firefox msiexec "+
			"reg sc wmic netsh nltest ipconfig ping curl tar makecab esentutl vssadmin wevtutil "+
			"procdump psexec mimikatz rclone ngrok anydesk teamviewer python java node git "+
			"msbuild installutil regasm odbcconf forfiles",
		".exe",
	)
	folders = []string{
		`C:\Windows\System32\`,
		`C:\Windows\SysWOW64\`,
		`C:\Program Files\Vendor\`,
		`C:\Program Files (x86)\Common\`,
		`C:\Users\alice\AppData\Local\Temp\`,
		`C:\ProgramData\`,
		`C:\Users\Public\`,
		`D:\apps\bin\`,
	}
	options = []string{
		" -e ",
		" /c ",
		" -enc ",
		" -nop ",
		" -w hidden",
		" /s ",
		" /i:",
		" add ",
		" export ",
		" delete ",
		" -u ",
		"http://",
		"https://",
		".dll",
		".ps1",
		"||",
		" -p ",
		"IEX",
		"FromBase64String",
		"DownloadString",
		"Invoke-Expression",
		" /create ",
		" /tn ",
		"HKLM\\",
		"lsass",
		"ntds.dit",
		"shadowcopy",
		"-ma ",
		" /domain_trusts",
		"SharpHound",
		"0x",
		"\\\\",
		"^",
		"%COMSPEC%",
		" user ",
		" group ",
		" /all",
		"bypass",
		"unrestricted",
		"scrobj.dll",
		"javascript:",
		"vbscript:",
		"-urlcache",
		"-decode",
		"-split",
		" copy ",
		"wbadmin",
		"fsutil",
		"sekurlsa",
		"privilege::debug",
	}
	users = []string{
		`NT AUTHORITY\SYSTEM`,
		`CORP\alice`,
		`CORP\bob`,
		`CORP\svc-backup`,
		`NT AUTHORITY\LOCAL SERVICE`,
	}
)

func names(list, suffix string) []string {
	var out []string
	word := ""
	for _, c := range list + " " {
		if c != ' ' {
			word += string(c)
			continue
		}
		out = append(out, word+suffix)
		word = ""
	}
	return out
}

func hash(r *rand.Rand) string { return fmt.Sprintf("%016X%016X", r.Uint64(), r.Uint64()) }

func commandLine(r *rand.Rand, name string) string {
	line := `"` + pick(r, folders) + name + `"`
	for range r.IntN(4) {
		switch r.IntN(4) {
		case 0:
			line += pick(r, options) + fmt.Sprintf("arg%d", r.IntN(1000))
		default:
			line += fmt.Sprintf(" --%s=%s%s-%x.log", pick(r, subjects), pick(r, folders),
				pick(r, verbs), r.Uint32())
		}
	}
	if r.IntN(20) == 0 { // as an attacker would
		line += pick(r, options) + pick(r, troubles)
	}
	return line
}

// program is the name of a program, one in a hundred of them unheard of.
func program(r *rand.Rand) string {
	if r.IntN(100) == 0 {
		return pick(r, troubles) + pick(r, programs)
	}
	return pick(r, programs)
}

// windowsEvents generates n events of starting processes, about 700 bytes each.
func windowsEvents(n int, seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, 2))
	events := make([][]byte, n)
	for i := range events {
		name, parent := program(r), program(r)
		events[i], _ = json.Marshal(map[string]any{
			"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational",
			"Computer": fmt.Sprintf("WS%04d.corp.example", r.IntN(500)),
			"Image":    pick(r, folders) + name, "CommandLine": commandLine(r, name),
			"ParentImage":       pick(r, folders) + parent,
			"ParentCommandLine": commandLine(r, parent), "User": pick(r, users), "Hashes": "MD5=" +
				hash(r) + ",IMPHASH=" + hash(r),
			"OriginalFileName": name, "IntegrityLevel": pick(r,
				[]string{"Low", "Medium", "High", "System"}), "CurrentDirectory": pick(r, folders),
			"Company": "Microsoft Corporation", "ProcessId": r.IntN(60000),
			"LogonId": fmt.Sprintf("0x%x", r.IntN(1<<24)),
		})
	}
	return events
}

func list(r *rand.Rand, field string, op rule.Op, n int, value func() string) rule.Query {
	o := &rule.Or{}
	for range 1 + r.IntN(n) {
		o.Of = append(o.Of, leaf(field, op, value()))
	}
	return o
}

// detectionRules generates n rules.
func detectionRules(n int) []rule.Query {
	r := rand.New(rand.NewPCG(6, 6))
	image := func() string { return `\` + pick(r, programs) }
	rare := func() string { return `\` + pick(r, troubles) + pick(r, programs) }
	option := func() string { return pick(r, options) }
	phrase := func() string { return pick(r, options) + pick(r, troubles) }
	qs := make([]rule.Query, n)
	for i := range qs {
		switch x := r.IntN(100); {
		case x < 30:
			qs[i] = and(
				list(r, "Image", rule.OpSuffix, 5, image),
				list(r, "CommandLine", rule.OpContains, 6, phrase),
			)
		case x < 45:
			qs[i] = and(
				list(r, "Image", rule.OpSuffix, 3, image),
				contains("CommandLine", option()),
				contains("CommandLine", option()),
				contains("CommandLine", phrase()),
			)
		case x < 55:
			qs[i] = and(
				list(r, "ParentImage", rule.OpSuffix, 5, image),
				list(r, "Image", rule.OpSuffix, 10, rare),
			)
		case x < 65:
			qs[i] = list(r, "CommandLine", rule.OpContains, 30, phrase)
		case x < 70:
			size := 100
			if x == 69 && i%10 == 0 {
				size = 5000
			}
			qs[i] = list(r, "Hashes", rule.OpContains, size, func() string {
				return "IMPHASH=" + hash(r)
			})
		case x < 78:
			qs[i] = and(
				list(r, "Image", rule.OpSuffix, 3, image),
				matches(
					"CommandLine",
					`(?i)`+pick(r, troubles)+`\s+[-/]`+pick(r, details)+`.{0,30}\.(dll|ps1)`,
				),
			)
		case x < 92:
			qs[i] = and(
				list(r, "OriginalFileName", rule.OpEqual, 4, func() string {
					return pick(r, troubles) + pick(r, programs)
				}),
				not(leaf("Image", rule.OpPrefix, `C:\Program Files\`)),
				not(list(r, "User", rule.OpEqual, 2, func() string { return pick(r, users) })),
			)
		default:
			qs[i] = and(
				list(r, "Image", rule.OpSuffix, 20, rare),
				not(
					list(r, "ParentImage", rule.OpPrefix, 3, func() string {
						return pick(r, folders)
					}),
				),
			)
		}
	}
	return qs
}
