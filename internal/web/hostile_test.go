package web

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// hostile are texts that an attacker may write into a log.
var hostile = map[string]string{
	"script":       `<script>alert(1)</script>`,
	"attribute":    `"><img src=x onerror=alert(1)>`,
	"quotes":       `' onmouseover='alert(1)`,
	"url":          `javascript:alert(1)`,
	"svg":          `</title></svg><svg onload=alert(1)>`,
	"template":     `{{.Version}} {{define "content"}}{{end}}`,
	"slack":        `<!channel> <https://evil.example|click>`,
	"ansi":         "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
	"bidi":         "user\u202e gnp.exe \u2066hidden\u2069",
	"zero width":   "pass\u200bword\u200d\ufeff",
	"tags":         "hello\U000e0041\U000e0042",
	"controls":     "a\x00b\x08c\x7fd\re",
	"line ends":    "a\r\nb\u2028c\u2029d",
	"utf-8":        "caf\xe9 \xff\xfe \xed\xa0\x80",
	"formula":      `=HYPERLINK("http://evil.example","x")`,
	"formula, tab": "\t@SUM(1)",
	"link":         "[click](http://evil.example) ![i](http://evil.example/i.png)",
	"comment":      `--><script>alert(1)</script><!--`,
	"style":        `</style><style>*{display:none}</style>`,
	"entity":       `&lt;script&gt;alert(1)&lt;/script&gt;`,
	"one megabyte": strings.Repeat("A<b>", 1<<18),
	"zalgo":        "z" + strings.Repeat("\u0301", 500),
}

// hostileServer has one text in every place that comes from logs.
func hostileServer(t *testing.T, text string) *Server {
	f, o := newFake(t)
	topic := text[:min(len(text), 249)]
	short := text[:min(len(text), 300)] // the engine bounds labels
	labels := map[string]string{"alertname": "PaymentErrors", "service": short, "severity": short}
	for i := range 300 {
		labels[fmt.Sprintf("label_%d_%.20s", i, text)] = short
	}
	line := models.Line{
		Time:     noon,
		Level:    text,
		Service:  text,
		Message:  text,
		Fields:   map[string]string{text: text},
		Position: models.Position{Topic: topic, Partition: 1, Offset: 2},
	}
	for _, list := range []*[]models.Alert{&f.current, &f.history} {
		for i := range *list {
			a := &(*list)[i]
			a.Labels, a.Severity, a.Reason, a.Threshold = labels, text, text, text
			a.Annotations = map[string]string{"summary": text, text: text}
			a.First, a.Last = []models.Line{line}, []models.Line{line}
			a.Top = map[string][]models.TopValue{text: {{Value: text, Count: 3}}}
			a.Source = text
		}
	}
	f.current = append(f.current, f.current[0])
	f.current[1].ID, f.current[1].State = "a2", models.AlertSuppressed
	f.deliveries["a1"] = []Delivery{
		{At: noon, State: "firing", Receiver: text, Integration: text, Detail: text},
	}
	f.dead = []DeadLetter{
		{
			At:     models.Position{Topic: topic},
			Origin: models.Position{Topic: topic},
			Time:   noon,
			Reason: text,
			Detail: text,
			Value:  []byte(text),
		},
	}
	f.engine.RejectedSample = []RejectedRecord{
		{Position: models.Position{Topic: topic}, Reason: text, Detail: text, Sample: text},
	}
	f.engine.LateSample, f.engine.Problem = []LateLog{{Rule: text, Line: line}}, text
	f.engine.Rejected = map[string]int64{text: 1}
	f.status[0].Error = text
	f.silences = []silence{
		{
			ID:        "s",
			Matchers:  []matcher{{Name: "service", Value: short, IsEqual: true}},
			StartsAt:  noon,
			EndsAt:    noon,
			CreatedBy: short,
			Comment:   short,
		},
	}
	f.silences[0].Status = &struct {
		State string `json:"state"`
	}{"active"}
	f.records = []models.Record{
		{Topic: "logs", Timestamp: noon.Add(-1), Value: []byte(text)},
		{
			Topic:     "logs",
			Offset:    1,
			Timestamp: noon.Add(-1),
			Value: fmt.Appendf(nil, `{"level":"ERROR","message":%q,%q:%q}`,
				text[:min(len(text), 100)], text[:min(len(text), 100)], text),
		},
	}
	f.backtested = BacktestResult{Alerts: f.history, From: noon.Add(-3600e9), To: noon}
	return newServer(t, o)
}

// No page gets an element, attribute, link or hidden character from a log.
func TestHostileLogs(t *testing.T) {
	pages := []string{
		"/",
		"/?state=muted",
		"/?open=firing+payments/PaymentErrors",
		"/alerts/a1",
		"/alerts/a2",
		"/rules",
		"/rules/view/payments/PaymentErrors",
		"/explore",
		"/explore?q=message:*",
		"/silences",
		"/silences?alert=a1",
		"/engine",
		"/rules/edit",
		"/nothing",
	}
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			s := hostileServer(t, text)
			for _, path := range pages {
				code, body := do(s, "GET", path, "", "Accept", "text/html")
				if code >= 500 {
					t.Errorf("%s is %d: %.300s", path, code, body)
				}
				inspect(t, path, body)
			}
			code, body := do(s, "POST", "/rules/backtest", "rule=payments/PaymentErrors",
				"Content-Type", "application/x-www-form-urlencoded")
			if code != http.StatusOK {
				t.Errorf("the backtest is %d: %.300s", code, body)
			}
			inspect(t, "backtest", body)
			_, _, body = post(t, s, "/rules/view/payments/PaymentErrors", "event", text)
			inspect(t, "explain", body)
			_, _, body = post(t, s, "/rules/view/payments/PaymentErrors",
				"event", fmt.Sprintf(`{"level":%q,"service":%q,"path":%q}`, text, text, text))
			inspect(t, "explain", body)
		})
	}
}

// hostileForms are what the routes that take a body are sent, the text in each of its places.
const hostileForms = `{"value":%[1]q,"text":%[1]q,"event":%[1]q,"record":%[1]q,"rule":%[1]q,` +
	`"rules":%[1]q,"query":%[1]q,"name":%[1]q,"comment":%[1]q,"by":%[1]q,"topic":%[1]q,` +
	`"mode":%[1]q,"format":%[1]q}`

// No route passes on what commands a terminal, hides, or is a formula to a spreadsheet. Routes come
// from the server, so a new exit is tested without being added here.
func TestHostileTextOnEveryRoute(t *testing.T) {
	tried := 0
	for name, text := range hostile {
		if len(text) > 4000 {
			continue
		}
		s := hostileServer(t, text)
		s.access.writes.SetLimit(1e9)
		for _, r := range s.routes() {
			method, path := pathOf(r.pattern)
			if strings.HasPrefix(path, "/debug/") || strings.HasPrefix(path, "/static/") {
				continue // profiles and files of our own
			}
			body := ""
			if method != "GET" {
				body = fmt.Sprintf(hostileForms, text)
			}
			paths := []string{path}
			switch path {
			case "/api/v1/history":
				paths = append(paths, path+"?format=csv", path+"?export=csv", path+"?export=json")
			case "/api/v1/logs", "/api/v1/search", "/api/v1/fields":
				paths = append(paths, path+"?topic=logs&since=1h")
			case "/api/v1/record":
				paths = append(paths, path+"?topic=logs&partition=0&offset=0")
			}
			for _, path := range paths {
				tried++
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				req := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
				req.Host = "localhost"
				w := httptest.NewRecorder()
				s.ServeHTTP(w, req)
				cancel()
				inspectText(t, name+": "+method+" "+path, w.Body.String())
				if strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") {
					inspectCells(t, path, w.Body.String())
				}
			}
		}
	}
	t.Logf("%d requests", tried)
}

// inspectText reports what must not be in the bytes of any answer.
func inspectText(t *testing.T, path, body string) {
	t.Helper()
	if !utf8.ValidString(body) {
		t.Errorf("%s is not valid UTF-8", path)
		return
	}
	for at, c := range body {
		if commands(c) && c != '\n' && c != '\r' && c != '\t' {
			t.Errorf("%s has %U in %q", path, c, body[max(0, at-30):min(len(body), at+30)])
			return
		}
	}
}

// inspectCells reports cells that a spreadsheet takes for formulas.
func inspectCells(t *testing.T, path, body string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	for _, row := range rows {
		for _, one := range row {
			if strings.ContainsAny(one[:min(len(one), 1)], "=+-@\t\r\n") {
				t.Errorf("%s has the cell %q", path, one)
			}
		}
	}
}

// Text from URLs and forms is as harmless as text from logs.
func TestHostileRequests(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	for name, text := range hostile {
		if len(text) > 4000 {
			continue
		}
		q := escapeAll(text)
		for _, path := range []string{"/?filter=" + q, "/?receiver=" + q, "/?matchers=" + q,
			"/?state=" + q, "/rules?filter=" + q + "&sort=" + q, "/explore?q=" + q + "&since=" + q +
				"&topic=" + q, "/explore?topic=" + q + "&partition=" + q + "&offset=" + q,
			"/silences?matchers=" + q, "/silences/preview?matchers=" + q, "/rules/edit?match=" + q,
			"/rules/edit?name=" + q, "/alerts/" + q, "/rules/view/" + q, "/login?to=" + q,
			"/" + q} {
			code, body := do(s, "GET", path, "", "Accept", "text/html")
			if code >= 500 && code != http.StatusNotImplemented {
				t.Errorf("%s: %s is %d: %.300s", name, path, code, body)
			}
			inspect(t, path, body)
		}
		form := "name=x&do=live&text=" + q
		_, body := do(s, "POST", "/rules/edit", form, "Content-Type",
			"application/x-www-form-urlencoded", "Accept", "text/html")
		inspect(t, "the editor", body)
	}
}

func escapeAll(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}

var ourScript = regexp.MustCompile(`^/static/[0-9a-f]+/(app|theme)\.js$`)

// inspect parses a page like a browser and reports what must not be there.
func inspect(t *testing.T, path, body string) {
	t.Helper()
	if !utf8.ValidString(body) {
		t.Errorf("%s is not valid UTF-8", path)
	}
	if len(body) > 3<<20 {
		t.Errorf("%s has %d bytes", path, len(body))
	}
	for z := html.NewTokenizer(strings.NewReader(body)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return
		}
		token := z.Token()
		switch kind {
		case html.TextToken:
			if at := strings.IndexFunc(token.Data, commands); at >= 0 {
				t.Errorf("%s shows %q", path, token.Data[max(0, at-20):min(len(token.Data), at+20)])
				return
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			inspectTag(t, path, token)
		}
	}
}

// commands reports whether a character is a control or hidden character.
func commands(c rune) bool {
	return safetext.Visible(string(c)) != string(c) && c != '\u200d'
}

func inspectTag(t *testing.T, path string, token html.Token) {
	t.Helper()
	switch token.Data {
	case "img", "iframe", "object", "embed", "style", "base", "meta":
		if token.Data != "meta" {
			t.Errorf("%s has an element <%s>", path, token.Data)
		}
	}
	for _, a := range token.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc":
			t.Errorf("%s has an attribute %s=%q", path, a.Key, a.Val)
		case a.Key == "src" && !ourScript.MatchString(a.Val):
			t.Errorf("%s loads %q", path, a.Val)
		case (a.Key == "href" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") &&
			a.Val != "#main" && a.Val != "":
			t.Errorf("%s leads to %q", path, a.Val)
		case a.Key == "href" && strings.HasPrefix(a.Val, "//"):
			t.Errorf("%s leads to %q", path, a.Val)
		case (a.Key == "title" || a.Key == "aria-label") && strings.IndexFunc(a.Val, commands) >= 0:
			t.Errorf("%s hides something in a %s: %q", path, a.Key, a.Val[:min(len(a.Val), 80)])
		}
	}
}

// Health texts contain no control characters.
func TestHostileHealth(t *testing.T) {
	_, o := newFake(t)
	o.Ready = []Check{
		{Name: "kafka", Err: func() error { return fmt.Errorf("record %s", "\x1b[2J\u202e") }},
	}
	if _, text := do(newServer(t, o), "GET", "/readyz",
		""); text != "kafka: record ⟨U+001B⟩[2J⟨U+202E⟩\n" {
		t.Errorf("it says %q", text)
	}
}
