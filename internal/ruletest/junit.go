package ruletest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// WriteJUnit writes results as build servers read them: one suite for each file, one case for each
// test. Hidden characters of what logs and tests hold are made visible.
func WriteJUnit(w io.Writer, results []Result) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testCase struct {
		Name      string   `xml:"name,attr"`
		ClassName string   `xml:"classname,attr"`
		Seconds   string   `xml:"time,attr"`
		Failure   *failure `xml:"failure,omitempty"`
	}
	type suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Cases    []testCase `xml:"testcase"`
	}
	var all struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []*suite `xml:"testsuite"`
	}
	suites := make(map[string]*suite)
	for _, r := range results {
		s := suites[r.File]
		if s == nil {
			s = &suite{Name: r.File}
			suites[r.File] = s
			all.Suites = append(all.Suites, s)
		}
		c := testCase{
			Name:      r.Name,
			ClassName: r.File,
			Seconds:   fmt.Sprintf("%.3f", r.Took.Round(time.Millisecond).Seconds()),
		}
		s.Tests++
		if len(r.Failures) > 0 {
			s.Failures++
			c.Failure = &failure{r.Failures[0], strings.Join(r.Failures, "\n")}
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(safetext.NewWriter(w))
	out.Indent("", "  ")
	if err := out.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
