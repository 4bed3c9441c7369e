package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormatYAML(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		got, err := FormatYAML([]byte(text))
		if err != nil || string(got) != want {
			t.Errorf("FormatYAML(%q) is\n%s\n%v, want\n%s", text, got, err, want)
		}
		if again, err := FormatYAML(got); err != nil || string(again) != string(got) {
			t.Errorf("formatted again it is\n%s\n%v", again, err)
		}
	}
	f("version: 1\ngroups:\n    - name: g   \n      rules:\n        - alert: A\n          match: "+
		"'a:b'  # why\n",
		"version: 1\ngroups:\n- name: g\n  rules:\n  - alert: A\n    match: 'a:b'  # why\n")
	f("# first\n\n\nversion: 1\r\n\r\ngroups: [{name: g, rules: []}]\n\n",
		"# first\n\nversion: 1\n\ngroups: [{name: g, rules: []}]\n")
	f("a: |\n    one\n\n    two\nb: >-\n  x\n\n  y\n", "a: |\n  one\n\n  two\nb: >-\n  x\n\n  y\n")
	f("a: >-\n    one\n    two\nb:\n    - >  # why\n        x\n          y\n",
		"a: >-\n  one\n  two\nb:\n- >  # why\n  x\n    y\n")
	f("a: \U0001F600\nb:   '\U0001F680 \ue000'\n", "a: \U0001F600\nb: '\U0001F680 \ue000'\n")
	f("a:\n    b: 1\n#  c: 2\n\n    # text\n    d: 3\n    # more\n\n# e\ne: 4\n",
		"a:\n  b: 1\n  #  c: 2\n\n  # text\n  d: 3\n  # more\n\n# e\ne: 4\n")
	f("", "")
	f("# only a comment\n", "# only a comment\n")
	f("---\na:   1\n", "---\na: 1\n")
	f("%YAML 1.1\n--- # first\na: {b:   1}\n...\n", "%YAML 1.1\n--- # first\na: {b:   1}\n...\n")
	f("a: [one,two,\n    'three',  # why\n    \"four\"]\nb: level>=ERROR\n",
		"a: [one,two,\n    'three',  # why\n    \"four\"]\nb: level>=ERROR\n")
	f("a:\n    b: [x,\n        y,\n    ]\n    c: 'it''s\n\n\n      long'\n    d: \"x \\\n      y\"\n",
		"a:\n  b: [x,\n      y,\n  ]\n  c: 'it''s\n\n\n    long'\n  d: \"x \\\n    y\"\n")
	f("a:\n    b: one\n      two\n\n      three\n\n\n    # why\n    c: y\n",
		"a:\n  b: one\n    two\n\n    three\n\n  # why\n  c: y\n")
	f("a:\n    -   b: 1\n        c: |\n            x  \n             y\n\n\n        # d\n        d: 2\n"+
		"        # e\n    -   - 1\n        -   2\n    - \n      f:\n          - {a: 1,\n             b: 2}\n",
		"a:\n- b: 1\n  c: |\n    x  \n     y\n\n  # d\n  d: 2\n  # e\n- - 1\n  - 2\n-\n  f:\n"+
			"  - {a: 1,\n     b: 2}\n")
	f("a:\n    b: |2+\n        x\n\n\n    c: &l\n        - 1\n    d: &m\n        e: *l\n    f:\n       g\n",
		"a:\n  b: |2+\n      x\n\n\n  c: &l\n  - 1\n  d: &m\n    e: *l\n  f:\n    g\n")
	f("a: 1\nb: |+\n  x\n\n\n", "a: 1\nb: |+\n  x\n\n\n")
	f("{\"level\":\"ERROR\",   \"a\":[1,2]}\n", "{\"level\":\"ERROR\",   \"a\":[1,2]}\n")
	f("a:\n-   b:\t1\n    # c\n\n\n    d:\n    -   e\n", "a:\n- b: 1\n  # c\n\n  d:\n  - e\n")
	f("a: {b: [1, 2], c: \"}\"}\n  # deep\nd: don't # it's\ne: ~\nf:\n", "a: {b: [1, 2], c: \"}\"}\n"+
		"# deep\nd: don't # it's\ne: ~\nf:\n")
	f("a:\n- x: 1\n\n- x: 2\n\n# last\n- x: 3\n", "a:\n- x: 1\n\n- x: 2\n\n# last\n- x: 3\n")
}

func TestFormatRefusesSecondDocument(t *testing.T) {
	t.Parallel()
	got, err := FormatYAML([]byte("a: 1\n---\nb:   2\n"))
	if err == nil || !strings.Contains(err.Error(), "line 2: a second document begins here") {
		t.Errorf("it is %q, %v", got, err)
	}
	if got, err := FormatYAML([]byte("a:   1\n---\n[\n")); err == nil {
		t.Errorf("with a mistake in the second document it is %q", got)
	}
}

// The files of the project can be formatted, or are left as they are; their meaning stays.
func TestFormatFilesOfTheProject(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/rules/*.yml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	formatted := 0
	for _, file := range append(files, "demo/shop.rules.yml", "../../alert-engine.example.yml",
		"../../examples/alertmanager.yml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch _, err := FormatYAML(text); err {
		case nil:
			formatted++
		case errFormat:
			t.Log("left as it is: ", file)
		default:
			t.Errorf("%s: %v", file, err)
		}
	}
	if formatted < len(files)/2 {
		t.Errorf("%d of %d files can be formatted", formatted, len(files))
	}
}
