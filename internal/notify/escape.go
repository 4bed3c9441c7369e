package notify

import (
	"context"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

// clean makes text from a log fit to be passed on: valid UTF-8, which Alertmanager insists on,
// without control characters but for tabs and line ends, and no longer than limit bytes.
func clean(text string, limit int) string {
	if len(text) > limit {
		cut := limit
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	ok := func(r rune) bool { return r == '\n' || r == '\t' || !unicode.IsControl(r) }
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !ok(r) }) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		if ok(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// visible removes the characters that change how those around them are shown, or are not shown at
// all: with them a log can make an alert read as it was not written.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
			return -1
		}
		return r
	}, text)
}

// An escaper makes text from logs harmless for one kind of receiver.
type escaper func(string) string

// escapers are those of receivers that give meaning to characters in a text. Whoever controls a log
// line would otherwise call a whole channel, or disguise a link. Machines (webhooks, topics,
// PagerDuty, Opsgenie, SNS) get the text as it is, and e-mail and Telegram's HTML are escaped by
// Alertmanager itself.
var escapers = map[string]escaper{
	"slack":      slackText,
	"mattermost": slackText,
	"rocketchat": slackText,
	"discord":    mentionText,
	"webex":      mentionText,
	"msteams":    mentionText,
	"msteamsv2":  mentionText,
	"telegram":   visible,
	"pushover":   visible,
	"wechat":     visible,
	"jira":       visible,
	"file":       visible, // people look at files in terminals
}

// slackText keeps text from being read as Slack's control sequences: <!channel>, <@user>,
// <http://evil|http://good>, and within the block that it stands in.
func slackText(text string) string {
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "```", "'''").
		Replace(unmention(visible(text)))
}

func mentionText(text string) string {
	return strings.NewReplacer("<@", "<\u200b@", "<#", "<\u200b#", "<at", "<\u200bat").
		Replace(unmention(visible(text)))
}

// calls are the words that call everybody where mentions are plain words.
var calls = regexp.MustCompile(`(?i)@(channel|here|everyone|all)`)

// unmention breaks such words with a space that nobody sees.
func unmention(text string) string { return calls.ReplaceAllString(text, "@\u200b$1") }

// apply returns the alerts and their context as the receiver may see them. What is in the pipeline
// stays as it is, since labels say who an alert is.
func (e escaper) apply(
	ctx context.Context,
	alerts []*alert.Alert,
) (context.Context, []*alert.Alert) {
	if e == nil {
		return ctx, alerts
	}
	if set, ok := notify.GroupLabels(ctx); ok {
		ctx = notify.WithGroupLabels(ctx, e.values(set))
	}
	escaped := make([]*alert.Alert, len(alerts))
	for i, a := range alerts {
		one := *a
		one.Labels, one.Annotations = e.values(a.Labels), e.values(a.Annotations)
		escaped[i] = &one
	}
	return ctx, escaped
}

func (e escaper) values(set model.LabelSet) model.LabelSet {
	escaped := make(model.LabelSet, len(set))
	for name, value := range set {
		escaped[name] = model.LabelValue(e(string(value)))
	}
	return escaped
}
