package decode

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// "My logs of last week are in a file": a line is a record, whatever compression the file has.
func TestRead(t *testing.T) {
	const text = "one\r\n{\"message\":\"two\"}\n\nfour"
	pack := map[string]func([]byte) []byte{
		"plain": func(b []byte) []byte { return b },
		"gzip": func(b []byte) []byte {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			w.Write(b)
			w.Close()
			return out.Bytes()
		},
		"zstd": func(b []byte) []byte {
			w, _ := zstd.NewWriter(nil)
			return w.EncodeAll(b, nil)
		},
	}
	for name, f := range pack {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, f([]byte(text)), 0o600); err != nil {
			t.Fatal(err)
		}
		var got []string
		for s, err := range ReadFile(file, ReadOptions{Topic: "logs"}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %d %s", s.Topic, s.Offset, s.Value))
		}
		want := "logs 0 one|logs 1 {\"message\":\"two\"}|logs 2 |logs 3 four"
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
	for _, err := range ReadFile(filepath.Join(t.TempDir(), "absent"), ReadOptions{}) {
		if !os.IsNotExist(err) {
			t.Errorf("an absent file gives %v", err)
		}
	}
}

// A line of a corpus describes its record; one that cannot be read is named, and the next is read
// all the same.
func TestReadCorpus(t *testing.T) {
	const text = `{"id":"a","format":"zap","ts_ms":5,"headers":{"service":"x"},"key":"k","topic":"t","value":"hello"}
oops
{"id":"b","value_b64":"AAE="}
{"id":"c","value_b64":null}`
	var got []string
	for s, err := range Read(strings.NewReader(text), "corpus", ReadOptions{Corpus: true}) {
		if err != nil {
			got = append(got, err.Error()[:9])
			continue
		}
		got = append(
			got,
			fmt.Sprintf("%s %s %q %v %d", s.ID, s.Key, s.Value, s.Value == nil, len(s.Headers)),
		)
	}
	want := `a k "hello" false 1|corpus:2:|b  "\x00\x01" false 0|c  "" true 0`
	if strings.Join(got, "|") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, "|"), want)
	}
}
