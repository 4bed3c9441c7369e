package notify

import (
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// What looks like a command of a chat is shown as it was written, and calls no one.
func TestEscape(t *testing.T) {
	f := func(text, slack, discord string, mattermost ...string) {
		t.Helper()
		if want := append(mattermost, discord)[0]; commandText(text) != want {
			t.Errorf("Mattermost: %q becomes %q, want %q", text, commandText(text), want)
		}
		if got := slackText(text); got != slack {
			t.Errorf("Slack: %q becomes %q, want %q", text, got, slack)
		}
		if got := mentionText(text); got != discord {
			t.Errorf("Discord: %q becomes %q, want %q", text, got, discord)
		}
	}
	f("plain text, 5 > 4 & 3", "plain text, 5 &gt; 4 &amp; 3", "plain text, 5 > 4 & 3")
	f("a=&lt;b&amp;", "a=&amp;lt;b&amp;amp;", "a=&lt;b&amp;")
	f("https://x/?a=1&b=<2>", "https://x/?a=1&b=&lt;2&gt;", "https://x/?a=1&b=<2>")
	f("expected <int>, got <nil>", "expected &lt;int&gt;, got &lt;nil&gt;",
		"expected <int>, got <nil>")
	f("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;", "<!channel> <\u200b@U1>",
		"<\u200b!channel> <\u200b@U1>")
	f("[good](http://evil)", "[good](http://evil)", "[good]\u200b(http://evil)")
	f("<http://evil|http://good>", "&lt;http://evil|http://good&gt;", "<http://evil|http://good>",
		"<\u200bhttp://evil|http://good>")
	f(
		"@Everyone me@here.example",
		"@\u200bEveryone me@\u200bhere.example",
		"@\u200bEveryone me@\u200bhere.example",
	)
	f("a ``` b", "a ''' b", "a ''' b")
	f(
		"zwei\nZeilen\tund Umlaute: äöü 漢字 🙂",
		"zwei\nZeilen\tund Umlaute: äöü 漢字 🙂",
		"zwei\nZeilen\tund Umlaute: äöü 漢字 🙂",
	)
}

// Whatever is in a log, what is passed on is valid, bounded, and without control characters.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "\xff\xfe", "\x00\x1b[2J", strings.Repeat("ä", 300), "\u202e", "a\r\nb",
	} {
		f.Add(seed, 100)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = max(limit, 0) % 5000
		got := clean(text, limit)
		if !utf8.ValidString(got) || len(got) > limit+3 {
			t.Errorf("%q becomes %q", text, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("%q becomes %q", text, got)
			}
		}
		if again := clean(got, len(got)); again != got {
			t.Errorf("%q is not clean: %q", got, again)
		}
	})
}

// Links and images with a text of their own are inert for each receiver that reads Markdown.
func TestMarkdownLinksAreInert(t *testing.T) {
	for name, escape := range escapers {
		for _, text := range []string{
			"[click here](http://evil.example)", "![i](http://evil.example/i.png)",
			"[click][x]", "[x]: http://evil.example", "[~admin]", "[text|http://evil.example]",
			`<a href="http://evil.example">click here</a>`, `\[text|http://evil.example\]`,
		} {
			got := escape(text)
			for _, markup := range []string{"](", "][", "]:"} {
				if strings.Contains(got, markup) && name != "slack" && name != "jira" {
					t.Errorf("%s: %q becomes %q", name, text, got)
				}
			}
			html := name == "webex" || name == "wechat" || strings.HasPrefix(name, "msteams")
			if html && strings.Contains(got, "<a") {
				t.Errorf("%s: %q becomes %q", name, text, got)
			}
			if name == "jira" && (strings.HasPrefix(got, "[") || strings.HasPrefix(got, "!") ||
				strings.Contains(got, `\\`)) {
				t.Errorf("jira: %q becomes %q", text, got)
			}
		}
	}
}

// Labels that are different for the engine are different for receivers, whatever logs hold: hidden
// and control characters, values that are empty or too long, and values that look like others made
// visible.
func TestLabelsAreInjective(t *testing.T) {
	parts := []string{
		"", "a", "col-1", "\x01", "\u200b", "⟨U+0001⟩", "⟨U+200B⟩", "\xff", "\ufffd", "…",
		strings.Repeat("x", maxLabel), "\r\n", "\n",
	}
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[string]map[string]string{}
	for range 20_000 {
		set := map[string]string{"alertname": "Errors"}
		for _, name := range []string{"user", "us\x01er", "host", labelsHash} {
			if rng.IntN(3) > 0 {
				continue
			}
			value := ""
			for range rng.IntN(4) {
				value += parts[rng.IntN(len(parts))]
			}
			set[name] = value
		}
		key := labels(models.Alert{Labels: set}).String()
		if old, ok := seen[key]; ok && !maps.Equal(old, set) {
			t.Fatalf("%q and %q are both %s", old, set, key)
		}
		seen[key] = set
	}
}
