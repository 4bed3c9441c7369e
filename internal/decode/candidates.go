package decode

import (
	"slices"
	"sync"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// The candidates of a well-known field are the paths at which it stands in the records of one
// dialect or another. They are tried in order and the first that is not empty wins. A path is a
// literal dotted key or nested; where a record has both, the literal one counts.

var textCandidates = [FieldWellKnown][]string{
	FieldMessage: {
		"formattedMessage", "RenderedMessage", "@m", "short_message", "message", "msg", "log",
		"MESSAGE", "body", "textPayload", "@message", "event",
		"record.message", "resultDescription", "log_message", "full_message", "line", "output",
		"full_log", "errorMessage", "status.message", "error.log.message",
		"error.message", "err.message", "fields.message", "fields.value", "displayMessage", "logEvent.message",
		"info.msg", "content", "LogMessage", "elasticsearch.slowlog.message",
	},
	FieldStack: {
		"exception.stacktrace", "stack_trace", "stacktrace", "error.stack_trace",
		"exception.stack_trace", "error.stack", "err.stack", "@x", "stackTrace",
		"thrown.extendedStackTrace", "exc_info", "stack", "exception", "throwable", "traceback",
		"error.stacktrace", "error.traceback", "error.backtrace",
		"err.stacktrace", "context.exception", "context.error.stack", "exception.stack",
		"exception.trace", "exception.backtrace", "payload.err.stack", "record.exception",
		"@fields.exception", "@fields.exc_info", "stackTraces", "backtrace", "trace.stack",
		"thrown", "errorVerbose", "callstack", "Exception", "StackTrace", "_exception",
		"_stack_trace", "_stacktrace", "_StackTrace", "full_exception", "exceptions",
		"formatted_exception", "extra.stack_trace",
	},
	FieldService: {
		"service", "service.name", "service_name", "serviceName", "serviceContext.service", "app",
		"application", "app_name", "appname", "application_name",
		"programname", "PROGRAM", "SYSLOG_IDENTIFIER", "systemd.u.SYSLOG_IDENTIFIER", "dd.service",
		"resource.labels.service_name", "resource.labels.function_name",
		"AppRoleName", "cloud_RoleName", "_COMM", "tags.appname", "_program", "syslog_program",
		"app-name", "syslog.appname", "metadata.service", "component_name",
	},
	FieldNamespace: {
		"namespace", "namespace_name", "kubernetes.namespace_name", "kubernetes.namespace",
		"kubernetes.pod_namespace", "k8s.namespace.name",
		"kubernetes.namespace.name", "resource.labels.namespace_name", "orchestrator.namespace",
		"kube_namespace",
	},
	FieldPod: {
		"kubernetes.pod_name", "kubernetes.pod", "kubernetes.pod.name", "k8s.pod.name", "pod_name",
		"pod", "pod.name", "resource.labels.pod_name",
	},
	FieldContainer: {
		"kubernetes.container_name", "kubernetes.container", "kubernetes.container.name",
		"k8s.container.name", "container_name", "container",
		"container.name", "resource.labels.container_name", "kube_container_name",
	},
	FieldHost: {
		"host", "hostname", "host.name", "host.hostname", "kubernetes.host",
		"kubernetes.pod_node_name", "kubernetes.node.name", "kubernetes.node_name",
		"k8s.node.name", "HOST", "_HOSTNAME", "source_host", "@source_host", "agent.hostname",
		"beat.hostname", "winlog.computer_name", "Computer", "hostIdentifier",
		"labels.compute.googleapis.com/resource_name", "agent.name", "hostName", "tags.hostname",
		"tags.host", "_logMeta.hostname", "machineName", "MachineName", "fromhost", "syslog.hostname",
	},
	FieldTraceID: {
		"trace_id", "traceId", "traceID", "trace.id", "TraceId", "@tr", "dd.trace_id",
		"contextMap.trace_id", "contextMap.traceId", "mdc.trace_id",
		"mdc.traceId", "logging.googleapis.com/trace", "trace", "otelTraceID", "X-B3-TraceId",
		"mdc.X-B3-TraceId", "contextMap.X-B3-TraceId", "OperationId",
		"operation_Id",
	},
	FieldSpanID: {
		"span_id", "spanId", "spanID", "span.id", "SpanId", "@sp", "dd.span_id",
		"contextMap.span_id", "contextMap.spanId", "mdc.span_id", "mdc.spanId",
		"logging.googleapis.com/spanId", "otelSpanID", "X-B3-SpanId", "mdc.X-B3-SpanId",
		"contextMap.X-B3-SpanId", "span",
	},
	FieldLogSource: {"log_source"},
	FieldLogType:   {"log_type"},
}

// labelCandidates are the labels that name the service when no field of its own does, and
// labelObjects the objects in which a record may keep its labels.
var (
	labelCandidates = []string{
		"app.kubernetes.io/name",
		"app",
		"k8s-app",
		"service",
		"k8s-pod/app.kubernetes.io/name",
		"k8s-pod/app",
		"k8s-pod/k8s-app",
	}
	labelObjects = []string{"kubernetes.labels", "kubernetes.pod_labels", "labels"}
)

// timeCandidates are the paths of the time. A number needs no unit: its magnitude shows it.
var timeCandidates = []string{
	"timestamp", "@timestamp", "time", "ts", "@t", "t.$date", "Timestamp", "timeMillis", "asctime",
	"eventTime", "start_time", "datetime", "ISODATE", "R_ISODATE", "DATE",
	"__REALTIME_TIMESTAMP", "devTime", "rt", "timeUnixNano", "record.time.timestamp",
	"record.time.repr", "time_iso8601", "created_at",
	"date", "CreationTime", "TimeCreated", "receiveTimestamp", "requestReceivedTimestamp",
	"_source.@timestamp", "startTime", "time_local", "msec", "datetime.date",
	"unixTime", "calendarTime", "lastTimestamp", "firstTimestamp", "metadata.creationTimestamp",
	"createdAt", "ts_ms", "timereported", "timegenerated", "event_time",
	"log_time", "logtime", "when", "@fields.time", "_logMeta.date",
	"TimeGenerated", "EventTime", "EventReceivedTime", "ts.$date", "published", "started_at",
	"EdgeStartTimestamp", "ibm_datetime", "date_time", "info.ts",
	"query_timestamp", "EventTimestampMs", "system_time", "requestTimeEpoch",
	"date_create", "metadata.eventCreationTime", "metadata.timestamp",
	"written_at", "syslog.timestamp", "reqTimeSec",
}

// levelCandidate is a path of the level, and the scale of the numbers that stand there.
type levelCandidate struct {
	path  string
	scale scale
}

var levelCandidates = []levelCandidate{
	{
		"severityNumber",
		scaleOTel,
	}, {"SeverityNumber", scaleOTel}, {"severity_number", scaleOTel}, {"levelno", scalePython},
	{
		"level.name",
		scaleAny,
	}, {"level.levelStr", scaleAny}, {"record.level.name", scaleAny}, {"level_name", scaleAny},
	{"level", scaleAny}, {"log.level", scaleAny}, {"severity", scaleSeverity},
	{"severityText", scaleAny}, {"SeverityText", scaleAny},
	{
		"severity_text",
		scaleAny,
	}, {"loglevel", scaleAny}, {"log_level", scaleAny}, {"logLevel", scaleAny}, {"lvl", scaleAny},
	{"levelname", scaleAny},
	{
		"LogLevel",
		scaleAny,
	}, {"@l", scaleAny}, {"@level", scaleAny}, {"error_severity", scaleAny},
	{"PRIORITY", scaleSyslog}, {"level_value", scaleLogback}, {"level_number", scalePython},
	{
		"record.level.no",
		scalePython,
	}, {"syslog_severity", scaleSyslog}, {
		"syslog.severity.code", scaleSyslog,
	}, {"_level_name", scaleAny},
	{
		"Level",
		scaleAny,
	}, {"log.syslog.severity.code", scaleSyslog}, {"error.log.level", scaleAny},
	{"SeverityLevel", scaleInsights}, {"context.logLevel", scaleAny},
	{"metadata.level", scaleAny}, {"pri", scalePriority}, {"levelName", scaleAny},
	{"LevelDisplayName", scaleAny}, {"level_text", scaleAny}, {"levelText", scaleAny},
	{"levelStr", scaleAny}, {"severity_label", scaleAny}, {"severityLabel", scaleAny},
	{"syslogseverity", scaleSyslog}, {"syslogseverity-text", scaleAny},
	{"tags.severity", scaleAny}, {"fields.severity_code", scaleSyslog},
	{"_logMeta.logLevelName", scaleAny}, {"@fields.levelname", scaleAny},
	{"@fields.level", scaleAny},
	{"monolog_level", scaleAny}, {"log_level.name", scaleAny},
	{"syslog.severity", scaleSyslog}, {"sev", scaleAny},
}

// weakLevels are paths at which other things than levels stand more often: only a word or number
// that is known as a level counts there.
var weakLevels = []levelCandidate{
	{"priority", scaleSyslog},
	{"label", scaleAny},
	{"prio", scaleSyslog},
	{"EventType", scaleAny},
	{"info.level", scaleAny},
	{"at", scaleNone}, // of Heroku's router
}

// sideFields are the other fields of a LogEntry.
var sideFields = map[string][]string{
	"timestamp": {"timestamp", "@timestamp", "time", "ts", "@t"},
	"kubernetes.container_id": {
		"kubernetes.container_id",
		"kubernetes.docker_id",
		"docker.container_id",
		"container.id",
		"container_id",
	},
	"kubernetes.pod_ip":    {"kubernetes.pod_ip", "kubernetes.pod.ip", "k8s.pod.ip"},
	"kubernetes.pod_owner": {"kubernetes.pod_owner"},
}

// commonFields are fields that an entry has no place for and that logs of many kinds have, each
// under another name. Only rules that read one pay for it. Most of these names are no aliases: a
// rule that writes status means the status of whatever the log is about.
var commonFields = map[string][]string{
	"http.status": {
		"http.status", "http.response.status_code", "http.status_code", "http.response.status",
		"http.statusCode", "http_status", "http_status_code", "httpRequest.status",
		"response.status_code", "response.statusCode", "response.status", "res.statusCode",
		"res.status", "status_code", "statusCode", "sc-status", "status",
		"DownstreamStatus", "OriginStatus", "elb_status_code", "response_code", "responseCode",
		"response_status", "EdgeResponseStatus", "httpStatus", "http_response.status",
		"http.response.statusCode", "responseStatus.code", "ScStatus",
	},
	"path": {
		"path", "url.path", "http.path", "http.url_details.path", "http.target", "request.path",
		"req.path", "request_path", "uri", "request_uri", "request.uri", "req.url",
		"cs-uri-stem", "http.url", "request.url", "request.uri.path", "url", "http.request.path",
		"httpRequest.requestPath", "httpRequest.uri", "httpRequest.requestUrl",
		"http.request.url", "requestPath", "RequestPath", "req_path",
		"ClientRequestURI", "resourcePath", "http_request.path", "requestURI", "requestUri",
		"http.request.uri", "reqPath", "CsUriStem", "URI",
	},
	"method": {
		"method", "http.request.method", "http.method", "request.method", "req.method",
		"request_method", "http_method", "httpRequest.requestMethod", "cs-method",
		"http.http_method", "verb", "requestMethod", "httpMethod", "httpRequest.httpMethod",
		"RequestMethod", "ClientRequestMethod", "http_request.method", "reqMethod", "CsMethod",
	},
	"exception.class": {
		"exception.class", "exception.type", "exception.exception_class", "exception_class",
		"exceptionClass", "error.type", "error.kind", "error.class", "err.type",
		"thrown.name", "exception.name", "exception.exceptionType", "exception.className",
		"error.name", "err.name", "error.error_class", "throwable.class", "throwable.className",
		"throwable_class", "throwableClass", "throwableClassName", "exception_name",
		"extra.error_type", "exceptionName", "exception_name",
		"exception_type", "exceptionType", "exc_type", "error_type", "errorType",
		"context.exception.class", "context.error.name", "context.error.type", "payload.err.type",
		"payload.err.name", "record.exception.type", "exception.exc_type",
		"stack_trace.type", "exc_info.type", "error.exception.class", "ExceptionType", "ex.type",
		"ex.name", "error.exception_class", "error_class", "error_kind", "exception",
		"@x.Type", "exceptions.ClassName", "exceptions.type", "ExceptionDetail.Type",
	},
	"user.name": {"user.name", "usr.name", "user_name", "userName", "username", "enduser.id"},
	"source_ip": {
		"source_ip", "source.ip", "client.ip", "client.address", "network.client.ip", "client_ip",
		"clientip", "src_ip", "remote_addr", "remote_ip", "sourceIPAddress",
		"httpRequest.remoteIp", "id.orig_h", "src", "c-ip", "client", "request.client_ip",
		"request.remote_ip", "req.remoteAddress", "request.remote_addr", "ClientHost", "ClientAddr",
		"remote_host", "remoteAddress", "remote_address", "remoteIP", "rip", "ClientIP", "actor_ip",
		"request.remote_address", "downstream_remote_address", "client.ipAddress",
		"requestMetadata.callerIp", "protoPayload.requestMetadata.callerIp", "callerIpAddress",
		"ip_client", "fwd", "sourceIp",
		"winlog.event_data.IpAddress", "IpAddress", "srcaddr", "httpRequest.clientIp", "ip",
		"srcip", "srcIP", "SrcIP", "clientIP", "clientIp", "client_addr", "remoteIp", "remotehost",
		"ipAddress", "sourceIPs", "http_request.remote", "http.request.remoteaddr", "remoteAddr",
		"cliIP", "CIp", "peername", "attr.remote", "source-address", "source_address", "SRC",
	},
	"duration_ms": {
		"duration_ms", "durationMs", "responseTime", "response-time", "duration_millis",
		"durationMillis", "elapsed_ms", "elapsedMs", "elapsed_millis", "took_ms", "latency_ms",
		"latencyMs", "response_time_ms",
		"responseTimeMs", "responseLatency", "time_ms", "attr.durationMillis", "turnAroundTimeMSec",
	},
}

// hints are slots that say of what shape a record is, or that hold a part of it.
type hints struct {
	// objects that belong to the log itself
	structured, jsonPayload, protoPayload, fields, event jsonscan.Slot
	// the columns of OpenTelemetry's exporters to databases
	bigAttributes, bigResource, resourceAttributes jsonscan.Slot
	logAttributes, properties, flatLabels, ddtags  jsonscan.Slot
	bigProperties, resources, attributes           jsonscan.Slot
	resourceMap                                    jsonscan.Slot // OTel consoles
	detailType, detail, logID                      jsonscan.Slot // EventBridge, Auth0
	requestText, description                       jsonscan.Slot // API Gateway, Auth0
	zapLevel, zapTime, zapMessage                  jsonscan.Slot // zap's development encoder
	oneLevel, oneMessage                           jsonscan.Slot // zerolog's short names
	logger, error, levelNumber                     jsonscan.Slot // logr; Python
	logFormat                                      jsonscan.Slot // Twisted
	subsystem, threadID                            jsonscan.Slot // PowerDNS
	// what a shipper parsed, under a key of its own; a list of audit events
	parsed, processed, items, kind jsonscan.Slot

	// batches and envelopes
	resourceLogs, streams, bigRecords, records, logEvents, schema, payload jsonscan.Slot
	metrics                                                                jsonscan.Slot // Telegraf

	template, rendered, clefTime, clefID   jsonscan.Slot // Serilog
	renderings, bigTemplate                jsonscan.Slot
	eventID, channel, resourceID, bigLevel jsonscan.Slot // Windows and Azure
	created, levelName                     jsonscan.Slot // Python
	// syslog, as Fluentd and Fluent Bit have it
	ident, pri                  jsonscan.Slot
	name, pid, hostname, level  jsonscan.Slot // pino and bunyan
	shortMessage, version       jsonscan.Slot // GELF
	host, bootLogger            jsonscan.Slot // GELF of Spring Boot
	mongoTime, mongoSeverity    jsonscan.Slot
	ddsource, status, ddservice jsonscan.Slot
	auditID, auditLevel         jsonscan.Slot // Kubernetes audit
	// seconds and nanoseconds apart: log4j2, and Google's two ways
	instants                                      [3][2]jsonscan.Slot
	eventSource, eventName                        jsonscan.Slot // CloudTrail
	syslogTag                                     jsonscan.Slot // rsyslog
	partialMessage, partialID                     jsonscan.Slot // Docker
	sourcetype, time, atTimestamp                 jsonscan.Slot // Splunk HEC
	severity, severityText, bigSeverityText       jsonscan.Slot
	journalMessage, messageType, message, logText jsonscan.Slot
	args, kindWord, data, category                jsonscan.Slot // consola; log4js; CloudEvents
	specVersion, dataBase64                       jsonscan.Slot // CloudEvents
	caller, ts, verbosity                         jsonscan.Slot // Kubernetes components
	atFields                                      jsonscan.Slot // logstash v0

	spans jsonscan.Choice // durations that are texts with a unit
	// objects that programs put the fields of a log into
	containers [11]jsonscan.Slot

	shortTime, msg                                jsonscan.Slot // log15
	loggingPod, recordObject                      jsonscan.Slot // CloudNativePG
	arguments                                     jsonscan.Slot // logback
	line                                          jsonscan.Slot // often the line of the source
	fullMessage, text, reason, exception          jsonscan.Slot
	duration, request, bigDuration, requestMethod jsonscan.Slot // Caddy, Traefik
	requestTime, remoteAddr, latency, remoteIP    jsonscan.Slot // nginx, Echo
	date, tz                                      jsonscan.Slot // FortiGate
	involvedObject, regarding                     jsonscan.Slot // events of Kubernetes
	actionStatus, taskID                          jsonscan.Slot // Eliot
	requestID, remoteAddress                      jsonscan.Slot // Nextcloud
	logbook                                       jsonscan.Slot // a key of every record of Logbook
	observed                                      [3]jsonscan.Slot
	syslogTags                                    [4]jsonscan.Slot // of rsyslog's templates
	// of OpenTelemetry's syslog receiver
	appName, priority, facility jsonscan.Slot
}

// fieldPlan is a plan and what its slots mean for a decoder.
type fieldPlan struct {
	*jsonscan.Plan
	paths  []string          // by slot, once one was asked for
	fields []jsonscan.Choice // by FieldID
	others []requested       // by FieldID, of the fields that are not well known
	time   jsonscan.Choice
	level  jsonscan.Choice

	serviceLabels jsonscan.Choice
	scales        []scale         // by slot
	weak          jsonscan.Bitset // the slots of weak levels
	hints         hints
	sides         map[string]jsonscan.Choice
	labels        []jsonscan.Choice // objects of labels, by likelihood
	annos         []jsonscan.Choice
}

// newFieldPlan compiles what a decoder looks for.
func newFieldPlan(cfg Config, fields *Fields) *fieldPlan {
	known := defaultPlan
	if len(cfg.Fields) > 0 || len(cfg.Only) > 0 {
		known = func() *fieldPlan { return newKnownPlan(cfg) }
	}
	return known().extend(cfg, fields)
}

// defaultPlan is the part of a plan that is the same for all fields, unless a configuration names
// other paths. It is compiled once and shared.
var defaultPlan = sync.OnceValue(func() *fieldPlan { return newKnownPlan(Config{}) })

// newKnownPlan compiles what every decoder looks for.
func newKnownPlan(cfg Config) *fieldPlan {
	p := &fieldPlan{Plan: jsonscan.NewPlan(), sides: map[string]jsonscan.Choice{}}
	p.addHints() // first, so that the slots of shapes lie close together
	p.fields = make([]jsonscan.Choice, FieldWellKnown)
	for id, candidates := range textCandidates {
		name := canonicalNames[id]
		candidates = cfg.candidates(name, candidates)
		p.fields[id] = p.choose(candidates, true)
	}
	p.addServiceLabels(cfg)
	p.time = p.choose(cfg.candidates("timestamp", timeCandidates), true)
	p.addLevels(cfg)
	for path, candidates := range sideFields {
		p.sides[path] = p.choose(cfg.candidates(path, candidates), false)
	}
	return p
}

// extend returns a plan that also has the fields that are not well known.
func (known *fieldPlan) extend(cfg Config, fields *Fields) *fieldPlan {
	extended := *known
	p := &extended
	p.Plan = known.Plan.Extend()
	p.fields = make([]jsonscan.Choice, fields.Len())
	copy(p.fields, known.fields)
	p.Request()
	p.others = make([]requested, fields.Len())
	for id := FieldWellKnown; int(id) < fields.Len(); id++ {
		path := fields.Path(id)
		p.others[id] = request(p.Plan, path, cfg.candidates(path, spellings(path)))
		p.fields[id] = p.others[id].choice
	}
	p.Finish()
	p.Parts = jsonscan.NewBitset(p.Slots)
	h := &p.hints
	for _, s := range []jsonscan.Slot{
		h.structured, h.jsonPayload, h.protoPayload, h.event, h.parsed, h.processed, h.items,
		h.specVersion, h.detailType, h.logID, h.loggingPod,
		h.flatLabels, h.ddtags, h.resourceLogs, h.streams, h.bigRecords, h.records, h.logEvents,
		h.payload, h.metrics,
	} {
		p.Parts.Set(s)
	}
	for _, s := range h.containers {
		p.Parts.Set(s)
	}
	return p
}

// path is how the path of a slot is spelled.
func (p *fieldPlan) path(s jsonscan.Slot) string {
	if p.paths == nil {
		p.paths = p.Paths()
	}
	return p.paths[s]
}

func (p *fieldPlan) choose(candidates []string, fold bool) jsonscan.Choice {
	var slots []jsonscan.Slot
	for _, path := range candidates {
		for _, s := range p.Add(path, fold) {
			if !slices.Contains(slots, s) {
				slots = append(slots, s)
			}
		}
	}
	return jsonscan.NewChoice(slots)
}

func (p *fieldPlan) addServiceLabels(cfg Config) {
	if slices.Contains(cfg.Only, "service") {
		return
	}
	var candidates []string
	for _, label := range labelCandidates {
		for _, object := range labelObjects {
			candidates = append(candidates, object+"."+label)
		}
	}
	candidates = append(candidates, composeLabels...)
	p.serviceLabels = p.choose(candidates, false)
}

// composeLabels are where the label with the service of Docker Compose is: of a line that Compose
// printed, of Docker's own driver, and of Filebeat.
var composeLabels = []string{
	"com.docker.compose.service", "attrs.com.docker.compose.service",
	"container.labels.com_docker_compose_service",
}

func (p *fieldPlan) addLevels(cfg Config) {
	own := cfg.Fields["level"]
	list := make([]levelCandidate, 0, len(levelCandidates)+len(own))
	for _, path := range own {
		list = append(list, levelCandidate{path, scaleAny})
	}
	if !slices.Contains(cfg.Only, "level") {
		list = append(append(list, levelCandidates...), weakLevels...)
	}
	var slots []jsonscan.Slot
	scales := map[jsonscan.Slot]scale{}
	for _, c := range list {
		for _, s := range p.Add(c.path, true) {
			if _, ok := scales[s]; !ok {
				scales[s] = c.scale
				slots = append(slots, s)
			}
		}
	}
	p.level = jsonscan.NewChoice(slots)
	p.fields[FieldLevel] = p.level
	var weak []jsonscan.Slot
	for _, c := range weakLevels {
		weak = append(weak, p.Add(c.path, true)...)
	}
	p.scales, p.weak = make([]scale, p.Slots), jsonscan.NewBitset(p.Slots)
	for _, s := range weak {
		p.weak.Set(s)
	}
	for s, scale := range scales {
		p.scales[s] = scale
	}
}

func (p *fieldPlan) addHints() {
	one := func(path string) jsonscan.Slot { return p.Add(path, false)[0] }
	nested := func(path string) jsonscan.Slot { s := p.Add(path, false); return s[len(s)-1] }
	h := &p.hints
	h.structured, h.jsonPayload, h.protoPayload, h.fields, h.event = one("structured"),
		one("jsonPayload"), one("protoPayload"), one("fields"), one("event")
	h.bigAttributes, h.bigResource, h.resourceAttributes = one("Attributes"), one("Resource"),
		one("ResourceAttributes")
	h.logAttributes, h.properties, h.ddtags = one("LogAttributes"), one("properties"), one("ddtags")
	h.flatLabels, h.resourceMap = nested("kubernetes.flat_labels"), nested("resource.attributes")
	h.detailType, h.detail, h.logID = one("detail-type"), one("detail"), one("log_id")
	h.requestText, h.description = one("requestTime"), one("description")
	h.zapLevel, h.zapTime, h.zapMessage = one("L"), one("T"), one("M")
	h.oneLevel, h.oneMessage, h.logger, h.error = one("l"), one("m"), one("logger"), one("error")
	h.levelNumber, h.logFormat = one("levelno"), one("log_format")
	h.subsystem, h.threadID = one("subsystem"), one("tid")
	h.resourceLogs, h.streams, h.bigRecords, h.records, h.logEvents = one("resourceLogs"),
		one("streams"), one("Records"), one("records"), one("logEvents")
	h.schema, h.payload, h.metrics = one("schema"), one("payload"), one("metrics")
	h.bigProperties, h.resources, h.attributes = one("Properties"), one("resources"),
		one("attributes")
	h.parsed, h.processed, h.items, h.kind = one("json"), one("log_processed"), one("items"),
		one("kind")
	h.template, h.rendered, h.clefTime, h.clefID = one("@mt"), one("@m"), one("@t"), one("@i")
	h.renderings, h.bigTemplate = one("@r"), one("MessageTemplate")
	h.eventID, h.channel, h.resourceID, h.bigLevel = one("EventID"), one("Channel"),
		one("resourceId"), one("Level")
	h.created, h.levelName = one("created"), one("levelname")
	h.ident, h.pri = one("ident"), one("pri")
	h.name, h.pid, h.hostname, h.level = one("name"), one("pid"), one("hostname"), one("level")
	h.shortMessage, h.version = one("short_message"), one("version")
	h.host, h.bootLogger = one("host"), one("_log_logger")
	h.mongoTime, h.mongoSeverity = nested("t.$date"), one("s")
	h.ddsource, h.status, h.ddservice = one("ddsource"), one("status"), one("service")
	h.auditID, h.auditLevel = one("auditID"), one("k8s_audit_level")
	h.instants = [3][2]jsonscan.Slot{
		{nested("instant.epochSecond"), nested("instant.nanoOfSecond")},
		{nested("timestamp.seconds"), nested("timestamp.nanos")},
		{one("timestampSeconds"), one("timestampNanos")},
	}
	h.eventSource, h.eventName = one("eventSource"), one("eventName")
	h.syslogTag = one("syslogtag")
	h.partialMessage, h.partialID = one("partial_message"), one("partial_id")
	h.sourcetype, h.time, h.atTimestamp = one("sourcetype"), one("time"), one("@timestamp")
	h.severity, h.severityText, h.bigSeverityText = one("severity"), one("severityText"),
		one("SeverityText")
	h.journalMessage, h.messageType, h.message, h.logText = one("MESSAGE"), one("messageType"),
		one("message"), one("log")
	h.args, h.kindWord, h.data, h.category = one("args"), one("type"), one("data"),
		one("categoryName")
	h.specVersion, h.dataBase64 = one("specversion"), one("data_base64")
	h.caller, h.ts, h.verbosity = one("caller"), one("ts"), one("v")
	h.atFields = one("@fields")
	h.shortTime, h.msg = one("t"), one("msg")
	h.loggingPod, h.recordObject = one("logging_pod"), one("record")
	h.fullMessage, h.text, h.reason, h.exception = one("full_message"), one("text"), one("reason"),
		one("exception")
	h.duration, h.request, h.bigDuration, h.requestMethod = one("duration"), one("request"),
		one("Duration"), one("RequestMethod")
	h.spans = jsonscan.NewChoice([]jsonscan.Slot{
		h.duration, one("latency"), one("took"), one("elapsed"), one("http.response.duration"),
		nested("httpRequest.latency"), one("response_time"),
	})
	h.requestTime, h.remoteAddr, h.latency, h.remoteIP = one("request_time"), one("remote_addr"),
		one("latency"), one("remote_ip")
	h.arguments, h.line = one("arguments"), one("line")
	h.date, h.tz = one("date"), one("tz")
	h.involvedObject, h.regarding = one("involvedObject"), one("regarding")
	h.actionStatus, h.taskID = one("action_status"), one("task_uuid")
	h.requestID, h.remoteAddress = one("reqId"), one("remoteAddr")
	h.logbook = one("heavy_initialized")
	h.observed = [3]jsonscan.Slot{
		one("observedTimeUnixNano"), one("ObservedTimestamp"), one("observed_timestamp"),
	}
	h.syslogTags = [4]jsonscan.Slot{
		one("syslogtag"), one("syslog-tag"), one("syslogfacility"), one("syslogfacility-text"),
	}
	h.appName, h.priority, h.facility = one("appname"), one("priority"), one("facility")
	h.containers = [...]jsonscan.Slot{
		h.fields, h.bigResource, h.resourceAttributes, h.bigAttributes, h.logAttributes,
		h.properties, h.bigProperties, h.resources, h.attributes, h.resourceMap, h.atFields,
	}
	for _, object := range []string{
		"kubernetes.labels", "kubernetes.pod_labels", "pod_labels", "k8s.pod.labels",
	} {
		p.labels = append(p.labels, p.choose([]string{object}, false))
	}
	for _, object := range []string{"kubernetes.annotations", "kubernetes.pod_annotations"} {
		p.annos = append(p.annos, p.choose([]string{object}, false))
	}
}
