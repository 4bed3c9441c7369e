package notify

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// terminal prints alerts for users who look at a terminal:
//
//	FIRING  critical  ServiceErrors  service=payment-service
//	        11 errors of payment-service in 5 minutes
//	        11 > 10, 11 logs since 14:03:07 (payments.rules.yml:5)
//	        14:03:08.120 ERROR payment-service card declined: gateway timeout
//
// Colour is for terminals alone.
type terminal struct {
	out    io.Writer
	colour bool
	turn   chan struct{} // is taken by the goroutine that writes
}

func newTerminal(out io.Writer) *terminal {
	t := &terminal{out: out, turn: make(chan struct{}, 1)}
	if f, ok := out.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		info, err := f.Stat()
		t.colour = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return t
}

// Notify implements notify.Notifier. A terminal that is stuck takes the text when it continues;
// Notify waits for that no longer than ctx allows.
func (t *terminal) Notify(ctx context.Context, alerts ...*alert.Alert) notify.NotifyVerdict {
	var b strings.Builder
	for _, a := range alerts {
		t.print(&b, a)
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		err := fmt.Errorf("the terminal does not answer: %w", ctx.Err())
		return notify.Retry(0, err, notify.DefaultReason)
	}
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(t.out, b.String())
		<-t.turn
		written <- err
	}()
	select {
	case err := <-written:
		if err != nil {
			return notify.Unrecoverable(err, notify.DefaultReason)
		}
	case <-ctx.Done():
	}
	return notify.Success()
}

func (t *terminal) print(b *strings.Builder, a *alert.Alert) {
	get := func(name model.LabelName) string { return oneLine(string(a.Annotations[name])) }
	state, colour := "FIRING  ", "\x1b[1;31m"
	if a.Resolved() {
		state, colour = "RESOLVED", "\x1b[1;32m"
	}
	if !t.colour {
		colour = ""
	}
	parts := []string{colour + state + ends(colour)}
	if severity := oneLine(string(a.Labels["severity"])); severity != "" {
		parts = append(parts, severity)
	}
	parts = append(parts, bold(t.colour, oneLine(a.Name())))
	if rest := others(a.Labels); rest != "" {
		parts = append(parts, rest)
	}
	fmt.Fprintln(b, strings.Join(parts, "  "))
	const indent = "          "
	if text := get("summary"); text != "" {
		fmt.Fprintf(b, "%s%s\n", indent, text)
	}
	facts, count := get("reason"), safetext.Count(get("count"), "log", "logs")+", "
	if a.Resolved() {
		facts, count = oneLine(factsOf(templateAlert(a))), ""
	} else if threshold := get("threshold"); threshold != "" &&
		!strings.Contains(facts, threshold) && !strings.HasPrefix(facts, get("value")+" in ") {
		facts = strings.TrimPrefix(
			fmt.Sprintf("%s; value %s against %s", facts, get("value"), threshold),
			"; ",
		)
	}
	started, _, _ := strings.Cut(
		strings.TrimSuffix(strings.Replace(get("started_at"), "T", " ", 1), "Z"),
		".",
	)
	switch source := get("source"); {
	case source == "" && facts == get("summary"): // an alert of the program itself
		fmt.Fprintf(b, "%ssince %s\n", indent, started)
	case source == "":
		fmt.Fprintf(b, "%s%s (since %s)\n", indent, facts, started)
	default:
		fmt.Fprintf(b, "%s%s (%ssince %s, %s)\n", indent, facts, count, started, source)
	}
	if a.Resolved() {
		return
	}
	var shown []string
	for line := range strings.SplitSeq(string(a.Annotations["first_lines"]+"\n"+
		a.Annotations["last_lines"]), "\n") {
		if line = oneLine(line); line != "" && !slices.Contains(shown, line) {
			shown = append(shown, line)
			fmt.Fprintf(b, "%s%s\n", indent, line)
		}
	}
}

// templateAlert is an alert as templates of messages see it.
func templateAlert(a *alert.Alert) template.Alert {
	t := template.Alert{
		Status:       string(a.Status()),
		Labels:       template.KV{},
		Annotations:  template.KV{},
		GeneratorURL: a.GeneratorURL,
	}
	for name, value := range a.Labels {
		t.Labels[string(name)] = string(value)
	}
	for name, value := range a.Annotations {
		t.Annotations[string(name)] = string(value)
	}
	return t
}

// oneLine is text without anything that a terminal would obey.
func oneLine(text string) string {
	return strings.Join(strings.Fields(safetext.Line(text)), " ")
}

func ends(colour string) string {
	if colour == "" {
		return ""
	}
	return "\x1b[0m"
}

func bold(on bool, text string) string {
	if !on {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// others are the labels but for the name and the severity.
func others(set model.LabelSet) string {
	var parts []string
	for name, value := range set {
		if name != model.AlertNameLabel && name != "severity" {
			parts = append(parts, oneLine(string(name))+"="+oneLine(string(value)))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
