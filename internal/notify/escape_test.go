package notify

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What looks like a command of a chat is shown as it was written, and calls nobody.
func TestEscape(t *testing.T) {
	f := func(text, slack, discord string) {
		t.Helper()
		if got := slackText(text); got != slack {
			t.Errorf("Slack: %q becomes %q, want %q", text, got, slack)
		}
		if got := mentionText(text); got != discord {
			t.Errorf("Discord: %q becomes %q, want %q", text, got, discord)
		}
	}
	f("plain text, 5 > 4 & 3", "plain text, 5 &gt; 4 & 3", "plain text, 5 > 4 & 3")
	f("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;", "<!channel> <\u200b@U1>")
	f("[good](http://evil)", "[good](http://evil)", "[good]\u200b(http://evil)")
	f("<http://evil|http://good>", "&lt;http://evil|http://good&gt;", "<http://evil|http://good>")
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
	for _, seed := range []string{"", "plain", "\xff\xfe", "\x00\x1b[2J", strings.Repeat("ä", 300), "\u202e", "a\r\nb"} {
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
