package web

import (
	"bytes"
	"embed"
	"fmt"
	"hash/fnv"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

//go:embed ui
var ui embed.FS

// pages renders pages and serves what they load.
type pages struct {
	// by name: page_NAME.html. They are read when they are first asked for: all of them would take
	// 2 MB of an instance whose pages nobody opens.
	templates map[string]func() *template.Template
	assets    map[string]asset // by path

	access   *access
	state    *engineState
	health   *health
	readOnly bool
	version  string
	logger   *slog.Logger
	now      func() time.Time
}

// asset is a static file. Its URL contains its hash, so it may be cached forever.
type asset struct {
	kind string
	body []byte
}

func newPages(o Options, a *access, s *engineState, h *health) (*pages, error) {
	p := &pages{
		templates: map[string]func() *template.Template{},
		assets:    map[string]asset{},
		access:    a,
		state:     s,
		health:    h,
		readOnly:  o.ReadOnly,
		version:   o.Version,
		logger:    o.Logger,
		now:       o.Now,
	}
	links := map[string]string{} // name to address
	files, err := fs.Glob(ui, "ui/static/*")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		body, err := ui.ReadFile(name)
		if err != nil {
			return nil, err
		}
		hash := fnv.New64a()
		hash.Write(body)
		address := fmt.Sprintf("/static/%x/%s", hash.Sum64(), path.Base(name))
		links[path.Base(name)] = address
		p.assets[address] = asset{kinds[path.Ext(name)], body}
	}
	funcs := functions(o.Now)
	funcs["asset"] = func(name string) (string, error) {
		if links[name] == "" {
			return "", fmt.Errorf("there is no asset %q", name)
		}
		return links[name], nil
	}
	layout := sync.OnceValue(func() *template.Template {
		return template.Must(template.New("layout").Funcs(funcs).
			ParseFS(ui, "ui/layout.html", "ui/parts.html"))
	})
	files, err = fs.Glob(ui, "ui/page_*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		page := strings.TrimSuffix(strings.TrimPrefix(path.Base(name), "page_"), ".html")
		p.templates[page] = sync.OnceValue(func() *template.Template {
			return template.Must(template.Must(layout().Clone()).ParseFS(ui, name))
		})
	}
	return p, nil
}

var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// view is the data of every page's layout.
type view struct {
	Title    string
	Page     string // in the navigation
	Top      topBar
	MayWrite bool
	ReadOnly bool
	LoggedIn bool // by a token
	Known    bool // the client may read; others see neither navigation nor status
	Version  string
	Error    string // why the request failed
	Data     any
}

// topBar is the status shown at the top of every page.
type topBar struct {
	Healthy bool
	Soft    bool // the problem does not stop alerting
	Problem string
	Firing  int
	Pending int
	Logs    float64       // a second
	Lag     int64         // records not yet read
	Behind  time.Duration // age of the oldest watermark
	Known   bool          // engine status is available
}

// routes are those of what pages load, and of addresses that do not exist.
func (p *pages) routes() []route {
	return []route{
		{"GET /static/{hash}/{name}", Anyone, cheap, http.HandlerFunc(p.static)},
		{"GET /favicon.ico", Anyone, cheap, http.HandlerFunc(p.favicon)},
		{"/", Anyone, cheap, p.handler(func(http.ResponseWriter, *http.Request) error {
			return notFound("page not found")
		})},
	}
}

// mayWrite reports whether a request may change something.
func (p *pages) mayWrite(r *http.Request) bool { return p.access.mayWrite(r) }

// handler shows the error of a handler as a page.
func (p *pages) handler(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			p.fail(w, r, err)
		}
	})
}

// fail answers an error: as a page to browsers, else as JSON.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") || r.Header.Get("X-Part") != "" {
		writeError(w, err)
		return
	}
	status := statusOf(err)
	p.render(w, r, status, "error", view{Title: http.StatusText(status), Error: err.Error()})
}

// show answers with a page, or with the part of it that the script replaces.
func (p *pages) show(w http.ResponseWriter, r *http.Request, page, part string, v view) error {
	if r.Header.Get("X-Part") == "" {
		p.render(w, r, http.StatusOK, page, v)
		return nil
	}
	return p.renderPart(w, page, part, p.complete(r, v))
}

// complete adds what the layout shows of every page.
func (p *pages) complete(r *http.Request, v view) view {
	v.MayWrite, v.ReadOnly, v.Version = p.mayWrite(r), p.readOnly, p.version
	v.LoggedIn = p.access.sessions.roleOf(r) > Anyone
	if v.Known = p.access.roleOf(r) >= Reader; v.Known {
		v.Top = p.topBar()
	}
	return v
}

// render writes a page. The page is complete before its first byte is sent, so an error in a
// template never leaves half a page.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	var out bytes.Buffer
	if err := p.templates[name]().ExecuteTemplate(&out, "layout", p.complete(r, v)); err != nil {
		p.logger.Error("rendering a page failed", "page", name, "error", err)
		http.Error(w, "rendering this page failed: "+err.Error(), http.StatusInternalServerError)
		return
	}
	writeHTML(w, status, out.String())
}

// renderPart writes the part of a page that the script replaces.
func (p *pages) renderPart(w http.ResponseWriter, page, part string, data any) error {
	return p.renderPartStatus(w, http.StatusOK, page, part, data)
}

func (p *pages) renderPartStatus(
	w http.ResponseWriter,
	status int,
	page, part string,
	data any,
) error {
	var out bytes.Buffer
	if err := p.templates[page]().ExecuteTemplate(&out, part, data); err != nil {
		return err
	}
	writeHTML(w, status, out.String())
	return nil
}

// writeHTML writes a page and makes every hidden character in it visible.
func writeHTML(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, safetext.Visible(text))
}

func (p *pages) topBar() topBar {
	t := topBar{Healthy: true}
	for _, c := range slices.Concat(p.health.live, p.health.ready) {
		if err := c.Err(); err != nil && (t.Healthy || t.Soft && !c.Soft) {
			t.Healthy, t.Soft, t.Problem = false, c.Soft, c.Name+": "+err.Error()
		}
	}
	list := p.state.current()
	for i := range list {
		switch list[i].State {
		case models.AlertFiring:
			t.Firing++
		case models.AlertPending:
			t.Pending++
		}
	}
	if p.state.engine == nil {
		return t
	}
	e := p.state.engineStatus()
	t.Known, t.Logs = true, e.PerSecond
	for _, one := range e.Partitions {
		t.Lag += max(one.Lag, 0)
		if !one.Watermark.IsZero() {
			t.Behind = max(t.Behind, p.now().Sub(one.Watermark))
		}
	}
	if e.Problem != "" && t.Healthy {
		t.Healthy, t.Soft, t.Problem = false, true, e.Problem
	}
	return t
}

func (p *pages) static(w http.ResponseWriter, r *http.Request) {
	a, found := p.assets[r.URL.Path]
	if !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Write(a.body)
}

func (p *pages) favicon(w http.ResponseWriter, r *http.Request) {
	for address, a := range p.assets {
		if strings.HasSuffix(address, "/icon.svg") {
			w.Header().Set("Content-Type", a.kind)
			w.Write(a.body)
			return
		}
	}
	http.NotFound(w, r)
}

// back redirects the browser after a change.
func back(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, localPath(to), http.StatusSeeOther)
	return nil
}

// functions are the template functions.
func functions(now func() time.Time) template.FuncMap {
	return template.FuncMap{
		"visible":  func(text string) string { return safetext.Visible(safetext.Clip(text, 4000)) },
		"whole":    func(text string) string { return safetext.Clip(text, 100_000) },
		"line":     func(n int, text string) string { return safetext.ClipLine(text, n) },
		"duration": duration.Format,
		"rough":    duration.Measured,
		"short":    duration.Age,
		"ago":      func(t time.Time) string { return ago(now(), t) },
		"since":    func(t time.Time) string { return sinceText(now(), t) },
		"clock":    func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"ms":       func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
		"stamp":    stamp,
		"rfc":      func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"number":   humanNumber,
		"float":    humanFloat,
		"value":    humanValue,
		"bytes":    humanBytes,
		"record":   Excerpt,
		"labels":   shownLabels,
		"offset":   offsetLink,
		"severity": severityClass,
		"level":    levelClass,
		"query":    url.QueryEscape,
		"alertURL": func(id string) string { return "/alerts/" + url.PathEscape(id) },
		"ruleURL": func(id string) string {
			return "/rules/view/" + strings.ReplaceAll(url.PathEscape(id), "%2F", "/")
		},
		"plural": counted,
		"join":   strings.Join,
		"dict":   dict,
		"add":    func(a, b int) int { return a + b },
	}
}

// dict makes a map of keys and values, for templates that take several.
func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, is := pairs[i].(string)
		if !is {
			return nil, fmt.Errorf("%v is not a key", pairs[i])
		}
		m[key] = pairs[i+1]
	}
	return m, nil
}

// ago is the time since t in one or two units; "in 5m" for a time in the future.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + duration.Age(-d)
	}
	if d < time.Second {
		return "now"
	}
	return duration.Age(d)
}

// sinceText is the time since t with "ago".
func sinceText(now, t time.Time) string {
	text := ago(now, t)
	if text == "now" || text == "never" {
		return text
	}
	return text + " ago"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// humanNumber formats a number with a thin space between thousands.
func humanNumber(n any) string {
	var text string
	switch n := n.(type) {
	case float64:
		if math.Abs(n) < 10 && n != math.Trunc(n) {
			return strconv.FormatFloat(n, 'f', 1, 64)
		}
		text = strconv.FormatFloat(n, 'f', 0, 64)
	default:
		text = fmt.Sprint(n)
	}
	digits := strings.TrimPrefix(text, "-")
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(c)
	}
	if digits != text {
		return "−" + b.String()
	}
	return b.String()
}

// humanFloat formats a value with four significant digits.
func humanFloat(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.IsInf(v, 1):
		return "∞"
	case math.IsInf(v, -1):
		return "−∞"
	case math.Abs(v) < 1e9 && (v == math.Trunc(v) || math.Abs(v) >= 1000):
		return humanNumber(v)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// humanValue formats a value like its threshold: in percent if that is.
func humanValue(v float64, threshold string) string {
	if strings.HasSuffix(strings.TrimSpace(threshold), "%") {
		return humanFloat(math.Round(v*10000)/100) + "%"
	}
	return humanFloat(v)
}

func humanBytes(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, i := float64(n)/1000, 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[i])
}

// label is a label of an alert for display.
type label struct{ Name, Value string }

// shownLabels are the labels except name and severity, which are shown separately.
func shownLabels(labels map[string]string) []label {
	var list []label
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != "alertname" && name != "severity" && labels[name] != "" {
			list = append(list, label{
				safetext.ClipLine(name, 60), safetext.ClipLine(labels[name], 200),
			})
		}
	}
	return list
}

// labelText formats labels in the order of their names.
func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, fmt.Sprintf("%s=%q", name, labels[name]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// offsetLink is the URL of the logs around a position.
func offsetLink(p models.Position) string {
	if p.Topic == "" {
		return ""
	}
	return fmt.Sprintf("/explore?topic=%s&partition=%d&offset=%d",
		url.QueryEscape(safetext.Clip(p.Topic, 249)), p.Partition, p.Offset)
}

// severityClass maps the usual names of severities to five classes.
func severityClass(severity string) string {
	switch strings.ToLower(severity) {
	case "critical", "page", "fatal", "emergency", "disaster", "p1", "sev1":
		return "critical"
	case "error", "high", "major", "p2", "sev2":
		return "high"
	case "warning", "warn", "medium", "minor", "p3", "sev3", "ticket":
		return "warning"
	case "info", "information", "notice", "low", "p4", "p5", "none", "debug":
		return "info"
	}
	return "other"
}

func levelClass(level string) string {
	switch strings.ToUpper(level) {
	case "FATAL", "ERROR", "CRITICAL", "EMERGENCY", "ALERT":
		return "error"
	case "WARN", "WARNING":
		return "warn"
	case "DEBUG", "TRACE":
		return "debug"
	}
	return "info"
}
