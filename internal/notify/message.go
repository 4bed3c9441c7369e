package notify

import (
	"fmt"
	tmplhtml "html/template"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	tmpltext "text/template"
	"unicode/utf8"

	"github.com/prometheus/alertmanager/template"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// What a message for users shows of an alert, as functions that templates may call: message.tmpl
// and those of users. Each takes an alert of the template's data.
var messageFuncs = map[string]any{
	"severityOf": severityOf,        // "page", "" when there is none
	"badge":      badge,             // "PAGE", or "RESOLVED"
	"serviceOf":  serviceOf,         // the service that the alert is about
	"summaryOf":  summaryOf,         // what the rule says in one line
	"factsOf":    factsOf,           // "1,204 > 100 in 5m"; of one that is resolved what happened
	"linesOf":    linesOf,           // the newest lines of the log
	"linksOf":    linksOf,           // runbook, dashboard, page, silence
	"groupOf":    groupOf,           // the labels that distinguish it from the others of its rule
	"subject":    subject,           // the same for the subject of an e-mail
	"headline":   headline,          // one line about all alerts of the message
	"pagerduty":  pagerDutySeverity, // a severity of PagerDuty
	"priority":   opsgeniePriority,  // a priority of Opsgenie
	"clip":       func(n int, text string) string { return clip(text, n) },
	"titled":     titled, // a lone alert without what the title of the message says
	"listed":     listed, // lines of the log as a list, where Markdown has no blocks of code
	// the message cut to what a text of so many characters, or bytes, can hold; in HTML the
	// addresses of links do not count
	"fit": func(limit int, d *template.Data) *template.Data {
		return fit(limit, d, utf8.RuneCountInString, true)
	},
	"fitBytes": func(limit int, d *template.Data) *template.Data {
		return fit(limit, d, byteCount, true)
	},
	"fitHTML": func(limit int, d *template.Data) *template.Data {
		return fit(limit, d, utf8.RuneCountInString, false)
	},
	"more":     more,     // how many alerts a message that was cut is about beside those that it has
	"alertIDs": alertIDs, // of all alerts, for machines
}

// Annotations that only templates see, of how they show an alert.
const (
	isTitled = "titled"
	isListed = "listed"
)

// titled is the data of a message whose title has said what a lone alert would begin with.
func titled(d *template.Data) *template.Data {
	if len(d.Alerts) != 1 || strings.HasSuffix(headline(d), "…") {
		return d
	}
	return marked(d, isTitled)
}

func listed(d *template.Data) *template.Data { return marked(d, isListed) }

// marked returns the data with an annotation at each alert.
func marked(d *template.Data, name string) *template.Data {
	c := *d
	c.Alerts = slices.Clone(d.Alerts)
	for i := range c.Alerts {
		set := template.KV{name: "yes"}
		maps.Copy(set, c.Alerts[i].Annotations)
		c.Alerts[i].Annotations = set
	}
	return &c
}

// halfEntity is what is left of a character that is escaped where a text was cut.
var halfEntity = regexp.MustCompile(`&[a-z]{0,3}…$`)

// clip cuts a text, which may be escaped.
func clip(text string, most int) string {
	short := safetext.Clip(text, most)
	if short != text {
		short = halfEntity.ReplaceAllString(short, "…")
	}
	return short
}

// messageOption adds the functions to Alertmanager's templates.
func messageOption(text *tmpltext.Template, html *tmplhtml.Template) {
	text.Funcs(messageFuncs)
	html.Funcs(messageFuncs)
}

const (
	messageAlerts = 10  // of a message
	messageLines  = 2   // of the log, of one alert
	lineRunes     = 180 // of a line
)

func resolved(a template.Alert) bool { return a.Status == "resolved" }

func severityOf(a template.Alert) string { return a.Labels["severity"] }

func badge(a template.Alert) string {
	if resolved(a) {
		return "RESOLVED"
	}
	if s := severityOf(a); s != "" {
		return strings.ToUpper(clip(s, 20))
	}
	return "FIRING"
}

func serviceOf(a template.Alert) string {
	for _, name := range []string{"service", "service_name", "app", "job", "host", "instance"} {
		if v := a.Labels[name]; v != "" {
			return clip(v, 60)
		}
	}
	return clip(a.Annotations["log_service"], 60)
}

func summaryOf(a template.Alert) string {
	for _, text := range []string{
		a.Annotations["summary"], a.Annotations["message"], a.Annotations["description"],
		a.Labels["alertname"],
	} {
		if text = strings.Join(strings.Fields(text), " "); text != "" {
			return clip(text, 200)
		}
	}
	return ""
}

// factsOf is the value against the threshold, or what happened until the end.
func factsOf(a template.Alert) string {
	n := a.Annotations
	var facts []string
	if resolved(a) {
		if peak := n["peak"]; peak != "" && n["threshold"] != "" {
			facts = append(facts, "peak "+thousands(peak))
		}
		if n["lasted"] != "" {
			facts = append(facts, "lasted "+n["lasted"])
		}
	} else {
		facts = append(facts, firingFacts(n), n["escalated"])
	}
	if count := n["count"]; count != "" && count != "0" && (resolved(a) || count != n["value"]) {
		facts = append(facts, safetext.Count(thousands(count), "log", "logs"))
	}
	if repeated := n["repeated"]; repeated != "" {
		facts = append(facts, repeated)
	}
	if resolved(a) {
		facts = append(facts, endOf(n))
	}
	return strings.Join(slices.DeleteFunc(facts, func(s string) bool { return s == "" }), ", ")
}

// firingFacts is the value against the threshold, and the reason where there is no threshold.
func firingFacts(n template.KV) string {
	reason := clip(strings.Join(strings.Fields(n["reason"]), " "), 160)
	if n["threshold"] == "" {
		return reason
	}
	pair := n["value"] + " " + n["threshold"]
	shown := thousands(n["value"]) + " " + thresholdText(n["threshold"])
	if rest, ok := strings.CutPrefix(reason, pair); ok {
		return shown + rest
	}
	return shown
}

// thresholdText is a threshold, "> 1000" with the number as users write it.
func thresholdText(text string) string {
	fields := strings.Fields(text)
	for i := range fields {
		fields[i] = thousands(fields[i])
	}
	return clip(strings.Join(fields, " "), 80)
}

// routineEnd begins the reasons of alerts that ended by themselves, beside those that give the
// value.
const routineEnd = "quiet for "

// endOf is why an alert ended, where that is not that its condition ceased to hold.
func endOf(n template.KV) string {
	reason := n["reason"]
	if strings.HasPrefix(reason, routineEnd) ||
		n["value"] != "" && strings.HasPrefix(reason, n["value"]+" ") {
		return ""
	}
	return clip(strings.Join(strings.Fields(reason), " "), 160)
}

// thousands writes a number with a comma between thousands. What is not a number stays.
func thousands(text string) string {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 1000 && v > -1000 || strings.ContainsAny(text, "eE") {
		return text
	}
	whole, rest, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if v < 0 {
		whole = "-" + whole
	}
	if rest != "" {
		whole += "." + rest
	}
	return whole
}

// linesOf are the newest lines of the log, the oldest of them first.
func linesOf(a template.Alert) []string {
	var list []string
	for _, name := range []string{"last_lines", "first_lines"} {
		all := strings.Split(strings.TrimSpace(a.Annotations[name]), "\n")
		for i := len(all) - 1; i >= 0 && len(list) < messageLines; i-- {
			line := clip(strings.TrimSpace(all[i]), lineRunes)
			if line != "" && !slices.Contains(list, line) {
				list = append(list, line)
			}
		}
	}
	slices.Reverse(list)
	return list
}

// What a message has beside the texts of its alerts, in characters.
const (
	alertMarkup = 48 // of one alert: signs of the markup and line ends
	linkMarkup  = 8  // of a link
	lineMarkup  = 3  // of a line of the log
	moreMarkup  = 24 // "and 1000000 more"
)

// moreAlerts is an annotation of a message that was cut.
const moreAlerts = "alert_engine_more_alerts"

// more is how many alerts a message that was cut is about beside those that it has.
func more(d *template.Data) int {
	n, _ := strconv.Atoi(d.CommonAnnotations[moreAlerts])
	return n
}

func byteCount(text string) int { return len(text) }

// fit cuts a message to what a receiver that refuses or cuts longer texts can show, measured by
// count: of each alert what it is about before the lines of any, the first of them in any case.
// Addresses count where they are a part of the text.
func fit(limit int, d *template.Data, count func(string) int, addresses bool) *template.Data {
	room := limit - moreMarkup
	var shown template.Alerts
	for i, a := range d.Alerts {
		size := alertMarkup
		for _, text := range []string{
			badge(a), serviceOf(a), summaryOf(a), factsOf(a), groupOf(a),
		} {
			size += count(text)
		}
		for _, l := range linksOf(a) {
			if size += count(l.Name) + linkMarkup; addresses {
				size += count(l.URL)
			}
		}
		if i >= messageAlerts || i > 0 && size > room {
			break
		}
		room -= size
		shown = append(shown, a)
	}
	for i, a := range shown {
		lines := linesOf(a)
		for ; len(lines) > 0; lines = lines[1:] {
			size := 0
			for _, line := range lines {
				size += count(line) + lineMarkup
			}
			if size <= room {
				room -= size
				break
			}
		}
		shown[i].Annotations = withLines(a.Annotations, lines)
	}
	cut := *d
	cut.Alerts = shown
	if n := more(d) + len(d.Alerts) - len(shown); n > 0 {
		cut.CommonAnnotations = maps.Clone(d.CommonAnnotations)
		if cut.CommonAnnotations == nil {
			cut.CommonAnnotations = template.KV{}
		}
		cut.CommonAnnotations[moreAlerts] = strconv.Itoa(n)
	}
	return &cut
}

// withLines are annotations with other lines of the log.
func withLines(n template.KV, lines []string) template.KV {
	set := maps.Clone(n)
	delete(set, "first_lines")
	delete(set, "last_lines")
	if len(lines) > 0 {
		set["last_lines"] = strings.Join(lines, "\n")
	}
	return set
}

// messageLink is a link of a message.
type messageLink struct{ Name, URL string }

// linksOf are the links of an alert. Only addresses of the web are links.
func linksOf(a template.Alert) []messageLink {
	var list []messageLink
	add := func(name, text string) {
		u, err := url.Parse(strings.TrimSpace(text))
		if err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
			list = append(list, messageLink{name, u.String()})
		}
	}
	add("Runbook", firstOf(a.Annotations, "runbook_url", "runbook"))
	add("Dashboard", firstOf(a.Annotations, "dashboard_url", "dashboard"))
	add("Graph", a.GeneratorURL)
	if u, err := url.Parse(a.GeneratorURL); err == nil && u.Host != "" && !resolved(a) {
		if i := strings.LastIndex(u.Path, "/alerts/"); i >= 0 {
			id := u.Path[i+len("/alerts/"):]
			u.Path, u.RawQuery = u.Path[:i]+"/silences", url.Values{"alert": {id}}.Encode()
			add("Silence", u.String())
		}
	}
	return list
}

func firstOf(set template.KV, names ...string) string {
	for _, name := range names {
		if set[name] != "" {
			return set[name]
		}
	}
	return ""
}

// groupOf are the labels that distinguish an alert from others of its rule.
func groupOf(a template.Alert) string {
	var parts []string
	for _, p := range a.Labels.SortedPairs() {
		switch p.Name {
		case "alertname", "severity", "service", "rule", labelsHash:
			continue
		}
		parts = append(parts, p.Name+"="+clip(p.Value, 60))
	}
	return clip(strings.Join(parts, " "), 200)
}

// headline is what a push message shows: severity, service, summary, and the value against the
// threshold.
func headline(d *template.Data) string {
	if len(d.Alerts) == 0 {
		return ""
	}
	worst := d.Alerts[0]
	for _, a := range d.Alerts {
		if rank(a) > rank(worst) {
			worst = a
		}
	}
	text := badge(worst)
	if service := serviceOf(worst); service != "" && service != "unknown" {
		text += " " + service
	}
	text += ": " + summaryOf(worst)
	if facts := factsOf(worst); facts != "" {
		text += " (" + facts + ")"
	}
	if n := len(d.Alerts) - 1; n > 0 {
		text = fmt.Sprintf("%s and %d more", text, n)
	}
	return clip(text, 220)
}

// subject is the headline, of which the encoded form fits into a line of SMTP. Each byte beyond
// ASCII takes three there.
func subject(d *template.Data) string {
	const room = 700
	text, size := headline(d), 0
	for i, r := range text {
		cost := 1
		if r > 0x7e || r < ' ' {
			cost = 3 * len(string(r))
		}
		if size += cost; size > room {
			return text[:i] + "…"
		}
	}
	return text
}

// rank orders alerts: the worst is in the headline.
func rank(a template.Alert) int {
	if resolved(a) {
		return -1
	}
	switch pagerDutySeverity(severityOf(a)) {
	case "critical":
		return 3
	case "error":
		return 2
	case "warning":
		return 1
	}
	return 0
}

// pagerDutySeverity is the severity of PagerDuty that fits one of a rule: critical, error, warning
// or info.
func pagerDutySeverity(severity string) string {
	s := strings.ToLower(severity)
	switch {
	case models.IsPage(s), s == "p0", s == "sev0":
		return "critical"
	case slices.Contains([]string{"warning", "warn", "medium", "minor", "sev3", "p3", "ticket"}, s):
		return "warning"
	case slices.Contains([]string{"info", "informational", "low", "notice", "debug", "none",
		"sev4", "sev5", "p4", "p5"}, s):
		return "info"
	}
	return "error"
}

// opsgeniePriority is the priority of Opsgenie that fits the severity of a rule.
func opsgeniePriority(severity string) string {
	return map[string]string{
		"critical": "P1", "error": "P2", "warning": "P3", "info": "P5",
	}[pagerDutySeverity(severity)]
}

// alertIDs are the IDs of the alerts of a message.
func alertIDs(list []template.Alert) string {
	var ids []string
	for _, a := range list[:min(len(list), 10)] {
		ids = append(ids, a.Annotations["alert_id"])
	}
	return strings.Join(ids, " ")
}
