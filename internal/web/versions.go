package web

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Versions of a writable rule file are kept in a directory beside it, one file each, named by the
// time at which the version was replaced.

const (
	keptVersions  = 20 // of a file
	versionLayout = "20060102T150405.000000000Z"
)

// version is an earlier text of a rule file.
type version struct {
	ID   string
	At   time.Time
	Text string
	Diff []diffLine // from this version to the current text
}

func (f *ruleFiles) versionDir(name string) string {
	return filepath.Join(f.dir, ".versions", name)
}

// keepVersion stores a text that is being replaced.
func (f *ruleFiles) keepVersion(name string, text []byte, now time.Time) error {
	dir := f.versionDir(name)
	if err := write(filepath.Join(dir, now.UTC().Format(versionLayout)+".yml"), text); err != nil {
		return err
	}
	ids := f.versionIDs(name)
	for len(ids) > keptVersions {
		if err := os.Remove(filepath.Join(dir, ids[0]+".yml")); err != nil {
			return err
		}
		ids = ids[1:]
	}
	return nil
}

// TextID identifies a text of a rule file.
func TextID(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// RuleCopy is a member's copy of a rule file of a cluster, with its versions, oldest first.
type RuleCopy struct {
	Name     string
	Text     []byte // nil if the file is removed
	Versions []RuleVersion
}

// RuleVersion is an earlier text of a rule file, and when it was replaced.
type RuleVersion struct {
	At   time.Time
	Text []byte
}

// Write writes what a directory does not have of the copy.
func (c RuleCopy) Write(dir string) error {
	f := &ruleFiles{dir: dir}
	path, err := f.path(c.Name)
	if err != nil {
		return err
	}
	have := f.versionIDs(c.Name)
	for _, v := range c.Versions {
		if slices.Contains(have, v.At.UTC().Format(versionLayout)) {
			continue
		}
		if err := f.keepVersion(c.Name, v.Text, v.At); err != nil {
			return err
		}
	}
	if is, err := os.ReadFile(path); err == nil && c.Text != nil && bytes.Equal(is, c.Text) {
		return nil
	}
	return write(path, c.Text)
}

// versionIDs are the versions of a file, oldest first.
func (f *ruleFiles) versionIDs(name string) (ids []string) {
	entries, err := os.ReadDir(f.versionDir(name))
	if err != nil {
		return nil // there are none
	}
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".yml"); ok {
			if _, err := time.Parse(versionLayout, id); err == nil {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// versions returns the versions of a file, newest first, with their difference from a text.
func (f *ruleFiles) versions(name, current string) (list []version, err error) {
	if f.dir == "" || !ruleFileName.MatchString(name) {
		return nil, nil
	}
	for _, id := range slices.Backward(f.versionIDs(name)) {
		text, err := os.ReadFile(filepath.Join(f.versionDir(name), id+".yml"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return list, err
		}
		at, _ := time.Parse(versionLayout, id) // versionIDs has checked it
		list = append(list, version{id, at, string(text), diff(string(text), current)})
	}
	return list, nil
}

// diffLine is a line of a difference: "+", "-" or " " before it.
type diffLine struct{ Sign, Text string }

// maxDiff is the number of lines that are compared; longer texts are shown as replaced.
const maxDiff = 2000

// diff is the shortest difference between the lines of two texts, with three lines of context.
func diff(before, after string) []diffLine {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	if len(a) > maxDiff || len(b) > maxDiff {
		return []diffLine{{"-", "(too long to compare)"}}
	}
	common := make([][]uint16, len(a)+1) // longest common subsequence from i, j on
	for i := range common {
		common[i] = make([]uint16, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines []diffLine
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			lines = append(lines, diffLine{" ", a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			lines = append(lines, diffLine{"-", a[i]})
			i++
		default:
			lines = append(lines, diffLine{"+", b[j]})
			j++
		}
	}
	return withContext(lines, 3)
}

// withContext leaves out lines that are far from a change.
func withContext(lines []diffLine, context int) (kept []diffLine) {
	near := func(at int) bool {
		for i := max(0, at-context); i <= min(len(lines)-1, at+context); i++ {
			if lines[i].Sign != " " {
				return true
			}
		}
		return false
	}
	for i, line := range lines {
		if near(i) {
			kept = append(kept, line)
		} else if len(kept) > 0 && kept[len(kept)-1].Sign != "…" {
			kept = append(kept, diffLine{"…", ""})
		}
	}
	return kept
}
