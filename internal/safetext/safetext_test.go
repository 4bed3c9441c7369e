package safetext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		if got := Visible(text); got != want {
			t.Errorf("Visible(%q) = %q, want %q", text, got, want)
		}
		if got := string(AppendVisible([]byte("a"), []byte(text))); got != "a"+want {
			t.Errorf("AppendVisible(%q) = %q, want %q", text, got, "a"+want)
		}
	}
	f("", "")
	f("plain text\twith\nlines", "plain text\twith\nlines")
	f("straße 東京 é", "straße 東京 é")
	f("\x1b[2J", "⟨U+001B⟩[2J")
	f("bell\a back\b nul\x00 del\x7f", "bell⟨U+0007⟩ back⟨U+0008⟩ nul⟨U+0000⟩ del⟨U+007F⟩")
	f("c1\u009b31m", "c1⟨U+009B⟩31m")
	f("a\rb\r\nc", "a⟨U+000D⟩b\nc")
	f("user\u202etxt.exe", "user⟨U+202E⟩txt.exe")
	f("payment\u200b", "payment⟨U+200B⟩")
	f("line\u2028line", "line⟨U+2028⟩line")
	f("soft\u00adhyphen", "soft⟨U+00AD⟩hyphen")
	f("payment\ufe0f", "payment⟨U+FE0F⟩")
	f("a\u200db", "a⟨U+200D⟩b")
	f("filler\u3164", "filler⟨U+3164⟩")
	f("tag\U000e0041", "tag⟨U+E0041⟩")
	f("private\ue000 blank\u2800 \ufffe\ufdd0",
		"private⟨U+E000⟩ blank⟨U+2800⟩ ⟨U+FFFE⟩⟨U+FDD0⟩")
	f("\xff\xfe", "\ufffd\ufffd")
	f("cut \xe2\x82", "cut \ufffd\ufffd")
	f("👩\u200d🚒 ❤\ufe0f\u200d🔥 👍🏽", "👩\u200d🚒 ❤\ufe0f\u200d🔥 👍🏽")
	f("🔥\u200d", "🔥⟨U+200D⟩")
	f("\u0600\u0661", "\u0600\u0661")
}

func TestLine(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		if got := Line(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
	f("one line\n", "one line")
	f("a\nb\r\nc\td", "a b c d")
	f("progress 10%\rprogress 20%", "progress 10% progress 20%")
	f("a\u2029b\x1b[31m", "a⟨U+2029⟩b⟨U+001B⟩[31m")
}

func TestClip(t *testing.T) {
	t.Parallel()
	f := func(text string, n int, want string) {
		t.Helper()
		if got := Clip(text, n); got != want {
			t.Errorf("Clip(%q, %d) = %q, want %q", text, n, got, want)
		}
	}
	f("abc", 3, "abc")
	f("abcd", 3, "ab…")
	f("äöü", 3, "äöü")
	f("äöüß", 3, "äö…")
	f("abc", 1, "…")
	if got, want := ClipLine(strings.Repeat("\n", 10)+"東京東京", 12), strings.Repeat(" ", 10)+
		"東…"; got != want {
		t.Errorf("ClipLine = %q, want %q", got, want)
	}
	if got, want := ClipLine(strings.Repeat("東", 1<<20), 3), "東東…"; got != want {
		t.Errorf("ClipLine = %q, want %q", got, want)
	}
}

func TestCell(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain": "plain", "a=1": "a=1", "-1.5": "-1.5", "+2e3": "+2e3", "-": "'-",
		"=1+1": "'=1+1", "@SUM(A1)": "'@SUM(A1)", "-2+3": "'-2+3", "＝1": "'＝1",
		"\t=1": "' =1", "\r\n=1": "' =1", "\u200b=1": "⟨U+200B⟩=1", "a\nb": "a b",
	} {
		if got := Cell(text); got != want {
			t.Errorf("Cell(%q) is %q, not %q", text, got, want)
		}
	}
}

func TestJSONKeepsItsMeaning(t *testing.T) {
	t.Parallel()
	text := "a\x1b\x7f\u009b\u202e\U000e0041👩\u200d🚒\u2028é"
	document, err := json.MarshalIndent(map[string]string{text: text}, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	safe := JSON(document)
	if want := "{\n\t\"" + `a\u001b\u007f\u009b\u202e\udb40\udc41👩` + "\u200d" +
		`🚒\u2028é": "`; !strings.HasPrefix(string(safe), want) {
		t.Errorf("JSON = %s, want it to begin with %s", safe, want)
	}
	var back map[string]string
	if err := json.Unmarshal(safe, &back); err != nil || back[text] != text {
		t.Errorf("%s is read as %q, %v", safe, back, err)
	}
	if Visible(string(safe)) != string(safe) {
		t.Errorf("%q hides something", safe)
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x1b[2J\u202e👩\u200d🚒\xff\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := Visible(text)
		if !utf8.ValidString(got) || Visible(got) != got {
			t.Errorf("Visible(%q) = %q, and of that %q", text, got, Visible(got))
		}
		for _, c := range got {
			if unicode.IsControl(c) && c != '\n' && c != '\t' || c >= 0x202a && c <= 0x202e {
				t.Errorf("Visible(%q) = %q", text, got)
			}
		}
		if line := Line(text); strings.ContainsAny(line, "\r\n\t") || Line(line) != line {
			t.Errorf("Line(%q) = %q", text, line)
		}
		if n := utf8.RuneCountInString(ClipLine(text, 10)); n > 10 {
			t.Errorf("ClipLine(%q, 10) has %d characters", text, n)
		}
	})
}

func BenchmarkVisible(b *testing.B) {
	text := strings.Repeat("connection to db-1 refused, ", 10)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Visible(text)
	}
}
