package web

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

var (
	shape    = regexp.MustCompile(`<(rect|path|circle|line|text)[^>]*class="([^"{]*)`)
	script   = regexp.MustCompile(`class: "([a-z-]+)"`)
	ruleHead = regexp.MustCompile(`([^{}]+)\{([^}]*)\}`)
)

// Every shape of an SVG that a template or the script draws gets its colour from the style sheet:
// without one it is black, also on dark ground.
func TestShapesHaveColours(t *testing.T) {
	sheet, err := ui.ReadFile("ui/static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	coloured := map[string][]string{} // class to the selectors that colour it
	for _, r := range ruleHead.FindAllStringSubmatch(string(sheet), -1) {
		if !strings.Contains(r[2], "fill:") && !strings.Contains(r[2], "stroke:") {
			continue
		}
		for _, selector := range strings.Split(r[1], ",") {
			parts := strings.Fields(strings.TrimSpace(selector))
			if len(parts) == 0 {
				continue
			}
			last := parts[len(parts)-1]
			for _, class := range strings.Split(strings.ReplaceAll(last, ":", "."), ".")[1:] {
				coloured[class] = append(coloured[class], strings.TrimSpace(selector))
			}
		}
	}
	within := func(class, parent string) bool {
		for _, selector := range coloured[class] {
			if !strings.Contains(selector, " ") || strings.Contains(selector, parent) {
				return true
			}
		}
		return false
	}
	files, _ := fs.Glob(ui, "ui/*.html")
	for _, name := range files {
		text, _ := ui.ReadFile(name)
		for _, m := range shape.FindAllStringSubmatch(string(text), -1) {
			class := strings.TrimSpace(m[2])
			if class == "" {
				continue // decided by data
			}
			class = strings.Fields(class)[0]
			if len(coloured[class]) == 0 {
				t.Errorf("%s: <%s class=%q> has no colour", name, m[1], class)
			}
		}
	}
	for _, c := range []struct{ class, parent string }{
		{"bar", ".bars"}, {"bar", ".histogram"}, {"area", ".spark"}, {"line", ".spark"},
		{"line", ".chart"},
		{"area", ".chart"}, {"hit", ".bars"}, {"selection", ".bars"}, {"ground", ".strip"},
		{"tick", ".chart"},
		{"firing", ".band"}, {"threshold", ""}, {"up", ".day"},
	} {
		if !within(c.class, c.parent) {
			t.Errorf("%s in %s has no colour, only in %v", c.class, c.parent, coloured[c.class])
		}
	}
	code, _ := ui.ReadFile("ui/static/app.js")
	for _, m := range script.FindAllStringSubmatch(string(code), -1) {
		if len(coloured[m[1]]) == 0 {
			t.Errorf("the script draws %q, which has no colour", m[1])
		}
	}
}
