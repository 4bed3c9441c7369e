package notify

import (
	"context"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// clean makes text from a log fit to be passed on: valid UTF-8, which Alertmanager insists on, with
// hidden and control characters shown by their number, and no longer than limit bytes.
func clean(text string, limit int) string {
	return cut(safetext.Visible(cut(text, limit)), limit)
}

// cut returns at most limit bytes of text, and a mark when there was more.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}

// An escaper makes text from logs harmless for one kind of receiver.
type escaper func(string) string

// escapers are those of receivers that give meaning to characters in a text. Text from logs could
// otherwise call a whole channel, or disguise a link. Machines (webhooks, topics, PagerDuty,
// Opsgenie, SNS) get the text as it is, and e-mail and Telegram's HTML are escaped by Alertmanager
// itself.
var escapers = map[string]escaper{
	"slack":      slackText,
	"mattermost": commandText,
	"rocketchat": commandText,
	"discord":    mentionText,
	"webex":      tagText,
	"msteams":    tagText,
	"msteamsv2":  tagText,
	"telegram":   markdownText,
	"wechat":     tagText,
	"jira":       jiraText,
}

// Characters that end what a markup begins. A space without width follows them.
var (
	slackMarkup    = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "```", "'''")
	addressMarkup  = strings.NewReplacer("<", "&lt;", ">", "&gt;")
	mentionMarkup  = strings.NewReplacer("<@", "<\u200b@", "<#", "<\u200b#")
	markdownMarkup = strings.NewReplacer(
		"](", "]\u200b(", "][", "]\u200b[", "]:", "]\u200b:", "```", "'''",
	)
	jiraMarkup = strings.NewReplacer("[", `\[`, "]", `\]`, "{", `\{`, "}", `\}`, "!", `\!`,
		`\`, "\\\u200b") // two backslashes are a line break, behind which markup counts
)

// markupTags begin an element or end one.
var markupTags = regexp.MustCompile(`<([a-zA-Z/!?])`)

// slackText keeps text from being read as Slack's control sequences: <!channel>, <@user>,
// <http://evil|http://good>, and within the block that it stands in. An address keeps its
// ampersands, since a template may have it where Slack does not unescape.
func slackText(text string) string {
	if onlyAddress.MatchString(text) {
		return addressMarkup.Replace(unmention(text))
	}
	return slackMarkup.Replace(unmention(text))
}

var onlyAddress = regexp.MustCompile(`^https?://\S+$`)

// command is what begins a control sequence of Slack, which Mattermost and Rocket.Chat read as
// well. They do not unescape: titles and blocks of code would show &lt;.
var command = regexp.MustCompile(`<([!@#]|[A-Za-z][\w+.-]*:)`)

func commandText(text string) string {
	return command.ReplaceAllString(unmention(markdownText(text)), "<\u200b$1")
}

// markdownText keeps text from being read as a link or image with a text of its own, which hides
// where it leads. A bare address stays.
func markdownText(text string) string { return markdownMarkup.Replace(text) }

func mentionText(text string) string { return mentionMarkup.Replace(unmention(markdownText(text))) }

// tagText keeps text from being read as HTML as well, of which some receivers take links, images
// and mentions within Markdown.
func tagText(
	text string,
) string {
	return markupTags.ReplaceAllString(mentionText(text), "<\u200b$1")
}

// jiraText keeps text from being read as a link, a mention ([~user]), a macro or an image.
func jiraText(text string) string { return jiraMarkup.Replace(text) }

// calls are the words that call everybody where mentions are plain words.
var calls = regexp.MustCompile(`(?i)@(channel|here|everyone|all)`)

// unmention breaks such words with a space without width.
func unmention(text string) string { return calls.ReplaceAllString(text, "@\u200b$1") }

// apply returns the alerts and their context as the receiver may see them. What is in the pipeline
// stays as it is, since labels identify an alert.
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

// What is left of a message whose whole form a receiver refused.
const (
	shortAlerts = 10
	shortLabel  = 60
	shortText   = 200
)

// shortAnnotations are the annotations of a shortened message.
var shortAnnotations = []model.LabelName{
	"summary", "reason", "value", "threshold", "alert_id", "rule", "started_at", "ended_at",
	"runbook_url",
}

// shorten returns alerts with little text.
func shorten(alerts []*alert.Alert) []*alert.Alert {
	list := make([]*alert.Alert, 0, shortAlerts)
	for _, a := range alerts[:min(len(alerts), shortAlerts)] {
		one := *a
		one.Labels, one.Annotations = shortValues(a.Labels), model.LabelSet{}
		for _, name := range shortAnnotations {
			if value, ok := a.Annotations[name]; ok {
				one.Annotations[name] = model.LabelValue(safetext.Clip(string(value), shortText))
			}
		}
		list = append(list, &one)
	}
	return list
}

func shortValues(set model.LabelSet) model.LabelSet {
	short := make(model.LabelSet, len(set))
	for name, value := range set {
		short[name] = model.LabelValue(safetext.Clip(string(value), shortLabel))
	}
	return short
}
