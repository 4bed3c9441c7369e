package match

import (
	"testing"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// matches says whether a query, as written in a rule file, holds for a log, by the definition and
// by the index.
func matches(t *testing.T, query, log string) bool {
	t.Helper()
	set, err := rule.Read("a.yml", []byte("lists: {blocked: [ann, bob]}\n"+
		"groups: [{name: g, rules: [{alert: A, match: "+query+"}]}]"))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	lists := func(name string) ([]string, bool) { return set.Lists[name].Values, true }
	q := set.Rules[0].Match
	ix, err := Compile([]rule.Query{q}, Options{Lists: lists})
	if err != nil {
		t.Fatal(err)
	}
	m, holds := ix.NewMatcher(), false
	decoded(t, ix.Fields(), [][]byte{[]byte(log)}, func(l *decode.Log) {
		holds = Eval(q, l, lists)
		if index := len(m.Match(l, nil)) == 1; index != holds {
			t.Errorf("%s of %s: the index says %v, the definition %v", query, log, index, holds)
		}
	})
	return holds
}

func TestBackslashBeforeOrdinaryCharacterIsItself(t *testing.T) {
	f := func(query, log string, want bool) {
		t.Helper()
		if got := matches(t, query, log); got != want {
			t.Errorf("%s of %s: got %v", query, log, got)
		}
	}
	cmd := `{"Image":"C:\\Windows\\System32\\cmd.exe","message":"run by CORP\\ann"}`
	f(`{'Image|endswith': '\cmd.exe'}`, cmd, true)
	f(`{'Image|endswith': '\cmd.exe'}`, `{"Image":"C:\\evilcmd.exe"}`, false)
	f(`{'Image|startswith': 'C:\Windows\'}`, cmd, true)
	f(`{Image: 'C:\Windows\System32\cmd.exe'}`, cmd, true)
	f(`{Image: 'C:\Windows\\*\cmd.exe'}`, cmd, true)
	f(`{Image: 'C:\Windows\*'}`, cmd, false)
	f(`{Image: ['D:\x', '*\System32\cmd.exe']}`, cmd, true)
	f(`['CORP\ann']`, cmd, true)
	f(`'CORP\ann'`, cmd, true)
	f(`'Image:C:\Windows\System32\cmd.exe'`, cmd, true)
	f(`'Image:C:\\Windows\\System32\\cmd.exe'`, cmd, true)
	f(`'Image:C:\Win*\cmd.exe'`, cmd, true)
	f(`'Image:*\cmd.exe'`, cmd, true)
	f(`'Image:=C:\Windows\System32\cmd.exe'`, cmd, true)
	f(`{f: 'del \*.bak'}`, `{"f":"del old.bak"}`, false)
	f(`{f: 'del \*.bak'}`, `{"f":"del *.bak"}`, true)
	f(`'f:a\ b'`, `{"f":"a b"}`, true)
	f(`{share: '\\\\files\share'}`, `{"share":"\\\\files\\share"}`, true)
	f(`{share: '\\\\files\share'}`, `{"share":"\\files\\share"}`, false)
	f(`'message:/x\\/'`, `{"message":"x\\"}`, true)
	f(`'message:/a\/b/'`, `{"message":"a/b"}`, true)
	f(`'path:/api/'`, `{"path":"/v2/api/x"}`, false)
	f(`'path:/api/'`, `{"path":"/api/"}`, true)
	f(`'service:/pay/'`, `{"service":"payment"}`, true)
	f(`'a\**'`, `{"message":"a\\b"}`, false)
	f(`'a\**'`, `{"message":"a*b"}`, true)
	f(`'x:a\**'`, `{"x":"a\\b"}`, false)
	f(`'x:*a\**'`, `{"x":"ba*b"}`, true)
	f(`'x:\**'`, `{"x":"b"}`, false)
	f(`'path:(/health or /api\/v1)'`, `{"path":"/api/v1"}`, true)
	f(`'x:/api\/v1'`, `{"x":"/api/v1"}`, true)
}

func TestLevelsAreRanks(t *testing.T) {
	f := func(query, level string, want bool) {
		t.Helper()
		if got := matches(t, "'"+query+"'", `{"level":"`+level+`","message":"x"}`); got != want {
			t.Errorf("%s of %s: got %v", query, level, got)
		}
	}
	f("level:error", "ERROR", true)
	f("level:error", "err", true)
	f("level:error", "critical", false)
	f("level:critical", "error", false)
	f("level:critical", "CRIT", true)
	f("level:alert", "critical", false)
	f("level:info", "notice", false)
	f("level:notice", "info", false)
	f("level>=CRITICAL", "error", false)
	f("level>=error", "critical", true)
	f("level<CRITICAL", "error", true)
	f("level>INFO", "notice", true)
	f("level>ERROR", "critical", true)
	f("level<=error", "critical", false)
	f("level:*", "info", true)
	f("level:war*", "warning", true)
	f("level:/^ERR/", "err", true)
	f("not level:=ERROR", "err", false)
	f("not level~error", "WARN", true)
	if matches(t, "'level:*'", `{"message":"x"}`) || !matches(t, "'not severity:*'", `plain text`) {
		t.Error("a log without a level has one")
	}
	for _, query := range []string{
		"'level:u*'", "'level:/K/'", "'level:=UNKNOWN'", "'level~unknown'", "'not level:*'",
		"{level|contains: know}", "{level|re: UN}", "{level|word: unknown}",
		"{sel: {level|endswith: own}, condition: sel}", "{level|fieldref: other}",
	} {
		want := query == "'not level:*'"
		if matches(t, query, `{"message":"x","other":"UNKNOWN"}`) != want {
			t.Errorf("%s of a log without a level: %v", query, !want)
		}
	}
}

func TestWordsAreWhole(t *testing.T) {
	f := func(query, message string, want bool) {
		t.Helper()
		if got := matches(t, query, `{"message":"`+message+`"}`); got != want {
			t.Errorf("%s of %q: got %v", query, message, got)
		}
	}
	f("'message~error'", "3 errors", false)
	f("'message~error'", "error_code=7", false)
	f("'message~error'", "ERROR: boom", true)
	f("'message~error'", "error-free", true)
	f(`'message~"connection refused"'`, "connection-refused by peer", true)
	f(`'message~"connection refused"'`, "connection was refused", false)
	f(`'message~"connection refused"'`, "connection connection refused", true)
	f("{message|word: straße}", "die STRASSE, die Straße", true)
	f("{message|word|cased: Error}", "error", false)
	f("{message|word|cased: Error}", "my Error.", true)
	f("{message|word: a b}", "x a b c", true)
}

func TestAnyFieldLooksAtEveryValue(t *testing.T) {
	f := func(query, log string, want bool) {
		t.Helper()
		if got := matches(t, query, log); got != want {
			t.Errorf("%s of %s: got %v", query, log, got)
		}
	}
	nested := `{"Data":{"Inner":"xx sekurlsa","n":[1,{"k":"C:\\x"}]},"message":"m"}`
	f("'*:sekurlsa'", nested, true)
	f("[sekurlsa]", nested, true)
	f("[Inner]", nested, false)
	f(`['C:\x']`, nested, true)
	f("'*:/sek.r/'", nested, true)
	f("{'|all': [sekurlsa, m]}", nested, true)
	f("{'|all': [sekurlsa, absent]}", nested, false)
	f("'*~xx'", nested, true)
	f("'*>0'", nested, true)
	f("[mimikatz]", `{"user":"mimikatz","message":"m"}`, true)
	f("[mimikatz]", `run of MIMIKATZ`, true)
	f("[mimikatz]", `{"user":"m\u0069mikatz"}`, true)
}

func TestFieldsAreComparedWithEachOther(t *testing.T) {
	f := func(query, log string, want bool) {
		t.Helper()
		if got := matches(t, query, log); got != want {
			t.Errorf("%s of %s: got %v", query, log, got)
		}
	}
	f("{a|fieldref: b}", `{"a":"x","b":"X"}`, true)
	f("{a|fieldref: b}", `{"a":"x","b":"y"}`, false)
	f("{a|fieldref: b}", `{"a":"x"}`, false)
	f("{a|fieldref|startswith: b}", `{"a":"xyz","b":"xy"}`, true)
	f("{a|fieldref|contains: b}", `{"a":"xyz","b":["q","y"]}`, true)
	f("{a|gt|fieldref: b}", `{"a":"2s","b":"1500ms"}`, true)
	f("{a|lte|fieldref: b}", `{"a":3,"b":2}`, false)
	f("{a|neq|fieldref: b}", `{"a":3,"b":2}`, true)
}

func TestDetectionsAreReadAsInSigma(t *testing.T) {
	f := func(detection, log string, want bool) {
		t.Helper()
		if got := matches(t, detection, log); got != want {
			t.Errorf("%s of %s: got %v", detection, log, got)
		}
	}
	const d = `{sel: {a: 1, b: [x, y]}, other: [{c: z}, {d: z}], _skip: {e: q}, condition: `
	f(d+`sel and not other}`, `{"a":1,"b":"Y"}`, true)
	f(d+`sel and not other}`, `{"a":"1","b":"y","d":"z"}`, false)
	f(d+`1 of them}`, `{"e":"q"}`, false)
	f(d+`1 of them}`, `{"c":"z"}`, true)
	f(d+`all of them}`, `{"a":1,"b":"x","c":"z"}`, true)
	f(d+`'1 of s*'}`, `{"a":1,"b":"x"}`, true)
	f(d+`[sel, other]}`, `{"c":"z"}`, true)
	f(d+`not (sel or other)}`, `{"q":1}`, true)
	f(`{s: {p: null}, condition: s}`, `{"x":1}`, true)
	f(`{s: {p: null}, condition: s}`, `{"p":null}`, true)
	f(`{s: {p: null}, condition: s}`, `{"p":""}`, false)
	f(`{s: {p: ''}, condition: s}`, `{"p":""}`, true)
	f(`{s: {p|exists: false}, condition: s}`, `{"x":1}`, true)
	f(`{s: {c|windash|contains: ' -urlcache'}, condition: s}`, `{"c":"x /urlcache"}`, true)
	f(`{s: {c|windash|contains: ' -urlcache'}, condition: s}`, `{"c":"x –urlcache"}`, true)
	f(`{s: {c|windash|contains: ' -a -b'}, condition: s}`, `{"c":"x -a /b"}`, true)
	f(`{s: {c|base64offset|contains: 'IEX(New-Object'}, condition: s}`,
		`{"c":"eDEySUVYKE5ldy1PYmplY3QgeA=="}`, true)
	f(`{s: {c|base64: foo}, condition: s}`, `{"c":"Zm9v"}`, true)
	f(`{s: {c|wide|base64offset|contains: ab}, condition: s}`, `{"c":"xAGEAYgA="}`, true)
	f(`{s: {c|re: 'Invoke-\w+Exec'}, condition: s}`, `{"c":"x Invoke-SmbExec y"}`, true)
	f(`{s: {c|re: 'Invoke-\w+Exec'}, condition: s}`, `{"c":"x invoke-smbexec y"}`, false)
	f(`{s: {c|re|i: 'Invoke-\w+Exec'}, condition: s}`, `{"c":"x invoke-smbexec y"}`, true)
	f(`{s: {ip|cidr: 10.0.0.0/8}, condition: not s}`, `{"x":1}`, true)
	f(`{s: {lib|endswith: '\libcrypt?.dll'}, condition: s}`, `{"lib":"C:\\x\\libcrypt1.dll"}`, true)
	f(`{s: {a|neq: x}, condition: s}`, `{"a":"y"}`, true)
	f(`{s: {a|neq: [x, y]}, condition: s}`, `{"a":"y"}`, false) // none of them
	f(`{s: {a|neq: [x, y]}, condition: s}`, `{"a":"z"}`, true)
	f(`{s: {a|neq|all|contains: [x, y]}, condition: s}`, `{"a":"xz"}`, true)
	f(`{s: {a|neq|all|contains: [x, y]}, condition: s}`, `{"a":"xy"}`, false)
	f(`{s: {a|cidr|neq: 10.0.0.0/8}, condition: s}`, `{"a":"10.1.2.3"}`, false)
	f(`{s: {a|cidr|neq: 10.0.0.0/8}, condition: s}`, `{"b":1}`, true)
	f(`{s: {a|re|neq: '^x'}, condition: s}`, `{"a":"xy"}`, false)
	f(`{s: {a|gt|neq: 3}, condition: s}`, `{"a":3}`, true)
	f(`{s: {a|neq: null}, condition: s}`, `{"b":1}`, false)
	f(`{s: {a|cased: X}, condition: s}`, `{"a":"x"}`, false)
}

func TestListsMayHoldNetworksAndWildcards(t *testing.T) {
	f := func(member, value string, want bool) {
		t.Helper()
		leaf := &rule.Leaf{Field: "f", Op: rule.OpList, Text: "l"}
		lists := func(string) ([]string, bool) { return []string{"x", member}, true }
		ix, err := Compile([]rule.Query{leaf}, Options{Lists: lists})
		if err != nil {
			t.Fatal(err)
		}
		id, _ := ix.Fields().ID("f")
		log := oneField{id, decode.Value{Kind: decode.String, Text: []byte(value)}}
		got := len(ix.NewMatcher().match(log, nil)) == 1
		if got != want || eval(leaf, log, lists) != want {
			t.Errorf("%s in a list of %s: got %v", value, member, got)
		}
	}
	f("10.0.0.0/8", "10.1.2.3", true)
	f("10.0.0.0/8", "11.1.2.3", false)
	f("10.0.0.0/8", "10.0.0.0/8", true)
	f("fe80::/10", "fe80::1", true)
	f("svc-*", "SVC-1", true)
	f("svc-*", "my-svc-1", false)
	f(`C:\Temp\\*`, `C:\Temp\a.exe`, true)
	f("web-?", "web-1", true)
	f("web-?", "web-12", false)
	f("/api/", "/api/", true)
	f("*", "anything", true)
}
