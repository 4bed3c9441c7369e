package app

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/strictyaml"
)

// Secret is a value that is never shown. In a file it may be written as ${VARIABLE}, which is then
// read from the environment; no other value is substituted, so a dollar sign elsewhere is a dollar
// sign.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalYAML hides the secret.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// UnmarshalStrict reads a secret and resolves ${VARIABLE} in it. An unset variable is a problem
// rather than an empty password.
func (s *Secret) UnmarshalStrict(r *strictyaml.Reader, n *strictyaml.Node, path string) {
	if !r.Scalar(n, path, "a text") {
		return
	}
	*s = Secret(variable.ReplaceAllStringFunc(n.Value, func(v string) string {
		name := v[2 : len(v)-1]
		text := r.Env(name)
		if text == "" {
			r.Fail(n, "", "environment variable %s is not set", name)
		}
		return text
	}))
}

// secretFrom reads a secret from a file, without the newline that editors put at its end.
func secretFrom(file Path) (Secret, error) {
	text, err := os.ReadFile(string(file))
	return Secret(strings.TrimRight(string(text), "\r\n")), err
}

// Path is a path of a file or directory, or a glob. In a file it is relative to that file's
// directory and is resolved when it is read.
type Path string

// UnmarshalStrict reads a path and makes it one from here.
func (p *Path) UnmarshalStrict(r *strictyaml.Reader, n *strictyaml.Node, path string) {
	if !r.Scalar(n, path, "a path") {
		return
	}
	*p = Path(n.Value)
	if n.Value != "" && !filepath.IsAbs(n.Value) {
		*p = Path(filepath.Join(filepath.Dir(r.File), n.Value))
	}
}

// Size is a number of bytes, written as 512, 64KB or 10MB (powers of 1024).
type Size int64

var sizeText = regexp.MustCompile(`(?i)^(\d+)\s*([kmg]?)i?b?$`)

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	m := sizeText.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("%q is not a size; try 64KB or 10MB", text)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	shift := map[string]uint{"": 0, "k": 10, "m": 20, "g": 30}[strings.ToLower(string(m[2]))]
	if err != nil || n > math.MaxInt64>>shift {
		return fmt.Errorf("%q is too large", text)
	}
	*s = Size(n << shift)
	return nil
}

// MarshalYAML writes a size with the largest unit that leaves it whole.
func (s Size) MarshalYAML() (any, error) {
	for _, u := range []struct {
		name  string
		shift uint
	}{{"GB", 30}, {"MB", 20}, {"KB", 10}} {
		if s > 0 && s&(1<<u.shift-1) == 0 {
			return fmt.Sprintf("%d%s", s>>u.shift, u.name), nil
		}
	}
	return int64(s), nil
}
