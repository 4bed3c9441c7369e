package app

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Workload writes the logs of an invented web shop for the demo: eight services, each in the format
// that a real one of its kind would use, going about their business while every so often one of
// them gets into trouble and recovers.
//
// Everything is decided by the seed and by the times given, so two shops with the same seed write
// the same logs. Trouble comes at a fixed pace on top of the ordinary traffic: rules that notice it
// at 300 logs a second notice it at 30 and at 30,000, too.
type Workload struct {
	rng     *rand.Rand
	start   time.Time
	streams []stream
	request int
}

// demoTopic is where the shop writes its logs.
const demoTopic = "shop-logs"

// WorkloadLog is one log: what to produce, and when it was written.
type WorkloadLog struct {
	Time    time.Time
	Service string
	Pod     string // the record's key, so the logs of one pod stay in order
	Value   []byte
}

// record is the log as it stands on the topic. A forwarder says in a header which service it
// belongs to, since an access log does not.
func (l WorkloadLog) record() models.Record {
	return models.Record{
		Topic:     demoTopic,
		Timestamp: l.Time,
		Key:       []byte(l.Pod),
		Value:     l.Value,
		Headers:   []models.Header{{Key: "service", Value: []byte(l.Service)}},
	}
}

// stream is a series of logs with exponentially distributed gaps.
type stream struct {
	rate     float64 // logs a second
	next     time.Time
	scenario *scenario // nil for ordinary traffic
}

// scenario is some trouble: from and for are relative to the beginning of a round of scenarios.
type scenario struct {
	name    string
	from    time.Duration
	length  time.Duration
	service string
	line    func(s *Workload, l *line)
}

// round is the time after which the scenarios come again.
const round = 4 * time.Minute

var scenarios = []scenario{
	{
		"payment provider rejects payments",
		2 * time.Second,
		10 * time.Second,
		"payment-service",
		func(s *Workload, l *line) {
			l.level = "ERROR"
			l.message = fmt.Sprintf(
				"payment declined by provider: gateway returned %d for order %d",
				502+s.rng.IntN(2), 70000+s.rng.IntN(9000),
			)
			l.add("provider", "acme-pay").
				add("amount_cents", 500+s.rng.IntN(20000)).
				add("exception.class", "com.shop.payment.GatewayException")
		},
	},
	{
		"database refuses connections",
		50 * time.Second,
		15 * time.Second,
		"order-service",
		func(s *Workload, l *line) {
			l.level = "ERROR"
			l.message = fmt.Sprintf(
				"dial tcp 10.4.0.12:5432: connect: connection refused (attempt %d)",
				1+s.rng.IntN(5),
			)
			l.add("dependency", "postgres-orders").add("pool", "primary")
		},
	},
	{
		"slow checkout",
		105 * time.Second,
		15 * time.Second,
		"checkout-service",
		func(s *Workload, l *line) {
			l.level, l.message = "WARN", "checkout completed slowly"
			l.duration = 900 + s.rng.IntN(2500)
			l.add("cart_items", 1+s.rng.IntN(9))
		},
	},
	{
		"password guessing",
		160 * time.Second,
		10 * time.Second,
		"auth-service",
		func(s *Workload, l *line) {
			l.level, l.message = "WARN", "login failed: unauthorized access for user "+
				pick(s, users)
			l.add("event", "login_failed").add("source_ip", "203.0.113.77")
		},
	},
	{
		"storefront without back end",
		205 * time.Second,
		12 * time.Second,
		"storefront",
		func(s *Workload, l *line) {
			l.status, l.duration = 502+s.rng.IntN(3), 30000
		},
	},
}

// service is a member of the shop: how often it logs, in which format, and what.
type service struct {
	name   string
	weight int
	pods   []string
	format func(l *line) string
	line   func(s *Workload, l *line)
}

var users = []string{
	"ada",
	"grace",
	"edsger",
	"barbara",
	"donald",
	"frances",
	"ken",
	"margaret",
	"niklaus",
	"radia",
}

var services = []service{
	{
		"storefront",
		35,
		[]string{"storefront-7d9f8-x2lqp", "storefront-7d9f8-mm4zt"},
		nginx,
		func(s *Workload, l *line) {
			l.status, l.duration = pick(s, []int{200, 200, 200, 200, 200, 200, 304, 302, 404}),
				3+s.rng.IntN(80)
		},
	},
	{
		"checkout-service",
		15,
		[]string{"checkout-service-6c4b9-h8v2k", "checkout-service-6c4b9-q7rjs"},
		ecs,
		func(s *Workload, l *line) {
			l.message = pick(
				s,
				[]string{
					"checkout completed",
					"cart priced",
					"coupon applied",
					"shipping options computed",
				},
			)
			l.duration = 40 + s.rng.IntN(200)
			l.add("cart_items", 1+s.rng.IntN(9))
		},
	},
	{
		"payment-service",
		12,
		[]string{"payment-service-5f7d4-abcde", "payment-service-5f7d4-zyx98"},
		viaq,
		func(s *Workload, l *line) {
			l.message = fmt.Sprintf("payment authorized for order %d", 70000+s.rng.IntN(9000))
			l.add("provider", pick(s, []string{"acme-pay", "globex"})).
				add("amount_cents", 500+s.rng.IntN(20000))
			l.duration = 60 + s.rng.IntN(240)
		},
	},
	{
		"order-service",
		12,
		[]string{"order-service-84d6f-kk2ws", "order-service-84d6f-p0d7n"},
		zap,
		func(s *Workload, l *line) {
			l.message = pick(
				s,
				[]string{
					"order created",
					"order paid",
					"order handed to the warehouse",
					"order confirmed by mail",
				},
			)
			l.add("order_id", 70000+s.rng.IntN(9000))
			l.duration = 5 + s.rng.IntN(60)
		},
	},
	{"inventory", 12, []string{"inventory-9b8c7-77fgh"}, logfmt, func(s *Workload, l *line) {
		l.message = pick(s, []string{"stock reserved", "stock released", "stock level read"})
		l.add("sku", fmt.Sprintf("SKU-%05d", s.rng.IntN(90000))).
			add("warehouse", pick(s, []string{"ams", "lyon", "graz"}))
		l.duration = 1 + s.rng.IntN(20)
	}},
	{"auth-service", 8, []string{"auth-service-6667d-t5bbn"}, logfmt, func(s *Workload, l *line) {
		l.message = pick(s, []string{"login succeeded", "token refreshed", "session ended"})
		l.add("user", pick(s, users)).
			add("source_ip", fmt.Sprintf("198.51.100.%d", s.rng.IntN(250)))
	}},
	{"mailer", 4, []string{"mailer-55c9f-d2vx7"}, zap, func(s *Workload, l *line) {
		if s.rng.IntN(40) == 0 {
			l.level, l.message = "WARN", "mailbox full, trying again later"
			return
		}
		l.message = "mail handed to relay"
		l.add("template", pick(s, []string{"welcome", "receipt", "shipped"}))
	}},
	{"autoscaler", 2, []string{"autoscaler-0"}, klog, func(s *Workload, l *line) {
		l.message = pick(
			s,
			[]string{"Computed desired replicas", "Reconciled", "Metrics refreshed"},
		)
		l.add("target", pick(s, []string{"storefront", "checkout-service", "inventory"})).
			add("replicas", 2+s.rng.IntN(6))
	}},
}

// NewWorkload opens a shop at start, which writes about rate logs a second when all is well.
func NewWorkload(seed uint64, start time.Time, rate float64) *Workload {
	s := &Workload{
		rng:     rand.New(rand.NewPCG(seed, 0x5409)),
		start:   start,
		streams: []stream{{rate: rate, next: start}},
	}
	for i := range scenarios {
		s.streams = append(
			s.streams,
			stream{rate: 25, next: start.Add(scenarios[i].from), scenario: &scenarios[i]},
		)
	}
	return s
}

// Until returns the logs written since the last call and before t, in the order of their times.
func (s *Workload) Until(t time.Time) []WorkloadLog {
	var logs []WorkloadLog
	for {
		first := &s.streams[0]
		for i := range s.streams {
			if s.streams[i].next.Before(first.next) {
				first = &s.streams[i]
			}
		}
		if !first.next.Before(t) {
			return logs
		}
		logs = append(logs, s.write(first.next, first.scenario))
		s.advance(first)
	}
}

// advance moves a stream to its next log; a scenario that has ended sleeps until the next round.
func (s *Workload) advance(st *stream) {
	st.next = st.next.Add(time.Duration(s.rng.ExpFloat64() / st.rate * float64(time.Second)))
	if st.scenario == nil {
		return
	}
	begun := st.next.Sub(s.start) / round * round
	if st.next.Sub(s.start)-begun >= st.scenario.from+st.scenario.length {
		st.next = s.start.Add(begun + round + st.scenario.from)
	}
}

func (s *Workload) write(at time.Time, in *scenario) WorkloadLog {
	svc := s.pickService()
	if in != nil {
		svc = serviceNamed(in.service)
	}
	s.request++
	l := line{
		time:    at.UTC(),
		level:   "INFO",
		service: svc.name,
		pod:     pick(s, svc.pods),
		client:  fmt.Sprintf("192.0.2.%d", s.rng.IntN(250)),
		trace:   fmt.Sprintf("%016x%016x", s.rng.Uint64(), s.rng.Uint64()),
		path:    pick(s, paths),
		number:  s.request,
	}
	if in != nil {
		in.line(s, &l)
	} else {
		svc.line(s, &l)
	}
	return WorkloadLog{Time: at, Service: svc.name, Pod: l.pod, Value: []byte(svc.format(&l))}
}

func (s *Workload) pickService() *service {
	total := 0
	for i := range services {
		total += services[i].weight
	}
	n := s.rng.IntN(total)
	for i := range services {
		if n -= services[i].weight; n < 0 {
			return &services[i]
		}
	}
	panic("unreachable: the weights add up to total")
}

func serviceNamed(name string) *service {
	for i := range services {
		if services[i].name == name {
			return &services[i]
		}
	}
	panic("app: the shop has no " + name)
}

func pick[T any](s *Workload, from []T) T { return from[s.rng.IntN(len(from))] }

var paths = []string{
	"/",
	"/products/espresso-machine",
	"/products/grinder",
	"/cart",
	"/checkout",
	"/search?q=filter+paper",
	"/static/app.js",
	"/api/stock",
}

// line is a log before it has a format.
type line struct {
	time                                              time.Time
	level, service, pod, message, client, trace, path string
	status, duration, number                          int // duration in milliseconds, 0 for none
	fields                                            []field
}

type field struct {
	key   string
	value any
}

func (l *line) add(key string, value any) *line {
	l.fields = append(l.fields, field{key, value})
	return l
}

// object is the line's own fields with the given ones, as JSON.
func (l *line) object(fields ...field) string {
	m := map[string]any{}
	if l.duration > 0 {
		m["duration_ms"] = l.duration
	}
	for _, f := range append(l.fields, fields...) {
		m[f.key] = f.value
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return string(text)
}

// viaq is what OpenShift's log forwarder sends for a container.
func viaq(l *line) string {
	return l.object(
		field{
			"@timestamp",
			l.time.Format(time.RFC3339Nano),
		},
		field{"level", strings.ToLower(l.level)},
		field{"message", l.message},
		field{
			"hostname",
			"worker-3.shop.example",
		},
		field{"log_type", "application"},
		field{"log_source", "container"},
		field{
			"kubernetes",
			map[string]any{"namespace_name": "shop", "pod_name": l.pod, "container_name": l.service,
				"labels": map[string]string{"app_kubernetes_io_name": l.service}},
		},
	)
}

// ecs is what an ECS logger writes for a Java service.
func ecs(l *line) string {
	return l.object(
		field{
			"@timestamp",
			l.time.Format("2006-01-02T15:04:05.000Z"),
		},
		field{"log.level", l.level},
		field{"message", l.message},
		field{"ecs.version", "1.2.0"},
		field{
			"service.name",
			l.service,
		},
		field{"trace.id", l.trace},
		field{"process.thread.name", "http-nio-8080-exec-4"},
		field{"log.logger", "com.shop.CheckoutController"},
		field{"host", map[string]string{"name": l.pod}},
	)
}

// zap is what Go's zap writes in production.
func zap(l *line) string {
	return l.object(
		field{
			"ts",
			json.Number(fmt.Sprintf("%.6f", float64(l.time.UnixMicro())/1e6)),
		},
		field{"level", strings.ToLower(l.level)},
		field{"msg", l.message},
		field{"caller", "orders/store.go:118"},
		field{"service", l.service},
		field{"host", l.pod},
	)
}

// logfmt is what many a Go service writes.
func logfmt(l *line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ts=%s level=%s service=%s msg=%q", l.time.Format("2006-01-02T15:04:05.000Z"),
		strings.ToLower(l.level), l.service, l.message)
	for _, f := range l.fields {
		fmt.Fprintf(&b, " %s=%v", f.key, f.value)
	}
	if l.duration > 0 {
		fmt.Fprintf(&b, " duration_ms=%d", l.duration)
	}
	return b.String()
}

// nginx is the combined access log.
func nginx(l *line) string {
	return fmt.Sprintf(`%s - - [%s] "GET %s HTTP/1.1" %d %d "https://shop.example/" "Mozilla/5.0 `+
		`(X11; Linux x86_64)"`, l.client, l.time.Format("02/Jan/2006:15:04:05 -0700"), l.path,
		l.status, 180+l.number%9000)
}

// klog is what Kubernetes' own components write.
func klog(l *line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s       1 horizontal.go:212] %q", l.level[:1],
		l.time.Format("0102 15:04:05.000000"), l.message)
	for _, f := range l.fields {
		fmt.Fprintf(&b, " %s=%q", f.key, fmt.Sprint(f.value))
	}
	return b.String()
}
