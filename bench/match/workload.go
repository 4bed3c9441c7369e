package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// The workload: logs as a Kubernetes cluster of 60 services writes them, about 550 bytes each, and
// rules as teams write them. About one log in a hundred says something that some rule might wait
// for; the others are made of the same words. Everything is generated from fixed seeds, so every
// run sees the same bytes.

var (
	domains = strings.Fields(
		"payment checkout inventory shipping customer catalog search order billing auth session " +
			"profile pricing fraud ledger gateway notification report export import",
	)
	suffixes = strings.Fields("service worker api")
	spaces   = strings.Fields("shop shop-eu finance logistics identity data platform edge")
	subjects = strings.Fields(
		"connection certificate quota transaction replica partition credential deadlock checksum " +
			"snapshot lease heartbeat topic bucket volume index cache token schema migration " +
			"shard leader broker tunnel webhook invoice voucher refund basket parcel courier " +
			"address session password license cursor journal segment",
	)
	troubles = strings.Fields(
		"refused expired exceeded aborted lagging unassigned revoked detected mismatch corrupted " +
			"lost missed missing denied unmounted rebuilding poisoned rejected incompatible " +
			"stuck reassigned deposed unreachable collapsed undelivered disputed duplicated " +
			"reversed emptied delayed overbooked unverified hijacked breached exhausted " +
			"truncated overflowed throttled",
	)
	details = strings.Fields(
		"upstream primary standby regional internal external legacy nightly batch realtime",
	)
	verbs = strings.Fields(
		"handled created updated fetched stored sent received validated published consumed",
	)
	methods = strings.Fields("GET POST PUT DELETE PATCH")
	pathsOf = strings.Fields(
		"/api/v1/orders /api/v1/orders/items /checkout/confirm /health/live /health/ready " +
			"/metrics /login /api/v2/search /internal/sync /api/v1/customers",
	)
)

func trouble(r *rand.Rand) string {
	return pick(r, details) + " " + pick(r, subjects) + " " + pick(r, troubles)
}

func pick(r *rand.Rand, of []string) string { return of[r.IntN(len(of))] }

// kubernetesLogs generates n logs.
func kubernetesLogs(n int, seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, 1))
	logs := make([][]byte, n)
	for i := range logs {
		logs[i] = kubernetesLog(r, i)
	}
	return logs
}

func kubernetesLog(r *rand.Rand, i int) []byte {
	service := pick(r, domains) + "-" + pick(r, suffixes)
	space := pick(r, spaces)
	level := "INFO"
	switch x := r.IntN(100); {
	case x < 4:
		level = "ERROR"
	case x < 12:
		level = "WARN"
	case x < 30:
		level = "DEBUG"
	}
	message := fmt.Sprintf("%s %s %s for %s %d in %d ms, %s attempt %d", pick(r, verbs),
		pick(r, methods), pick(r, pathsOf), pick(r, subjects), r.IntN(1e6), r.IntN(400),
		pick(r, details), r.IntN(3))
	switch x := r.IntN(100); {
	case x == 0:
		message = strings.ToUpper(level[:1]) + level[1:] + ": " + trouble(r) + " while " + message
	case x < 20:
		message = fmt.Sprintf("request \"%s\" %s by %s: %s", pick(r, pathsOf), pick(r, verbs),
			pick(r, subjects), message)
	}
	text, _ := json.Marshal(message)
	extra := ""
	if r.IntN(50) == 0 {
		extra = fmt.Sprintf(`,"error_code":"E%04d"`, r.IntN(2000))
	}
	return fmt.Appendf(nil, `{"timestamp":"2027-01-15T08:%02d:%02d.%03dZ","level":"%s",`+
		`"message":%s,"service":"%s","namespace":"%s",`+
		`"host":"node-%02d.eu-central-1.compute.internal",`+
		`"kubernetes":{"pod_name":"%s-%08x-%05x","container_name":"%s","pod_ip":"10.%d.%d.%d",`+
		`"labels":{"app":"%s","tier":"backend","version":"v1.%d.0"}},"trace_id":"%016x%016x",`+
		`"status":%d,"duration_ms":%d,"path":"%s","thread":"http-nio-8080-exec-%d"%s}`, i/60%60,
		i%60, r.IntN(1000), level, text, service, space, r.IntN(40), service, r.Uint32(),
		r.IntN(1<<20), service, r.IntN(4), r.IntN(256), r.IntN(256), service, r.IntN(30),
		r.Uint64(), r.Uint64(), pickStatus(r), int(math.Exp(r.Float64()*8)), pick(r, pathsOf),
		r.IntN(200), extra)
}

func pickStatus(r *rand.Rand) int {
	switch x := r.IntN(200); {
	case x == 0:
		return 500 + r.IntN(5)
	case x < 8:
		return 400 + r.IntN(30)
	}
	return 200
}

func leaf(field string, op rule.Op, text string) rule.Query {
	return &rule.Leaf{Field: field, Op: op, Text: text}
}
func contains(field, text string) rule.Query { return leaf(field, rule.OpContains, text) }
func is(field, text string) rule.Query       { return leaf(field, rule.OpEqual, text) }
func and(of ...rule.Query) rule.Query        { return &rule.And{Of: of} }
func or(of ...rule.Query) rule.Query         { return &rule.Or{Of: of} }
func not(q rule.Query) rule.Query            { return &rule.Not{Of: q} }
func more(field string, than float64) rule.Query {
	return &rule.Leaf{
		Field: field,
		Op:    rule.OpRange,
		Range: rule.Range{Min: than, Max: math.Inf(1), OpenMin: true},
	}
}
func matches(field, expr string) rule.Query {
	return &rule.Leaf{Field: field, Op: rule.OpRegexp, Regexp: regexp.MustCompile(expr)}
}

// errors is level>=ERROR.
func errors() rule.Query {
	return &rule.Leaf{Op: rule.OpLevel, Range: rule.Range{Min: 17, Max: math.Inf(1)}}
}

// mixedRules are what teams write: a quarter are service, level and words; the others use
// everything else the language has.
func mixedRules(n int) []rule.Query {
	r := rand.New(rand.NewPCG(3, 3))
	qs := make([]rule.Query, n)
	for i := range qs {
		service, space := pick(r, domains)+"-"+pick(r, suffixes), pick(r, spaces)
		switch x := r.IntN(100); {
		case x < 25:
			qs[i] = and(is("service", service), errors(), contains("", trouble(r)))
		case x < 40:
			qs[i] = and(
				is("namespace", space),
				or(contains("", trouble(r)), contains("", trouble(r)), contains("", trouble(r))),
			)
		case x < 60:
			qs[i] = and(contains("", trouble(r)), not(is("namespace", space)))
		case x < 70:
			qs[i] = and(
				leaf("kubernetes.pod_name", rule.OpPrefix,
					service+fmt.Sprintf("-%03x", r.IntN(4096))),
				leaf("path", rule.OpSuffix, "/"+pick(r, subjects)),
			)
		case x < 80:
			qs[i] = matches(
				"",
				`(?i)`+pick(r, details)+" "+pick(r, subjects)+`.{0,20}(`+pick(r, troubles)+`|`+
					pick(r, troubles)+`)`,
			)
		case x < 90:
			qs[i] = and(is("service", service), more("status", 499),
				more("duration_ms", float64(1000+10*r.IntN(150))))
		case x < 95:
			qs[i] = and(
				leaf("error_code", rule.OpExists, ""),
				is("error_code", fmt.Sprintf("E%04d", r.IntN(2000))),
				is("service", service),
			)
		default:
			qs[i] = or(
				and(contains("", trouble(r)), errors()),
				and(
					is("error_code", fmt.Sprintf("E%04d", r.IntN(2000))),
					not(contains("", pick(r, verbs))),
				),
			)
		}
	}
	return qs
}

// literalRules are words anywhere in the text.
func literalRules(n int) []rule.Query {
	r := rand.New(rand.NewPCG(4, 4))
	qs := make([]rule.Query, n)
	for i := range qs {
		qs[i] = contains("", trouble(r))
	}
	return qs
}

// equalityRules compare whole values only.
func equalityRules(n int) []rule.Query {
	r := rand.New(rand.NewPCG(5, 5))
	qs := make([]rule.Query, n)
	for i := range qs {
		qs[i] = and(
			is("service", pick(r, domains)+"-"+pick(r, suffixes)),
			is("namespace", pick(r, spaces)),
			is("error_code", fmt.Sprintf("E%04d", r.IntN(2000))),
		)
	}
	return qs
}
