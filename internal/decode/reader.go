package decode

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// maxLine is the length of the longest line of a file. Brokers reject far smaller records.
const maxLine = 64 << 20

// ReadOptions are how a file of records is read. The zero ReadOptions read one record a line.
type ReadOptions struct {
	Topic string    // of the records that name none
	Time  time.Time // of the records that have none
	// each line describes a record, as a golden file does: {"id", "format", "topic", "key",
	// "headers", "ts_ms", "value" or "value_b64"}
	Corpus bool
	Whole  bool // the file is a single record, as a file of protobuf must be
}

// Sample is a record of a file.
type Sample struct {
	models.Record
	ID string // the line's own name, in a corpus
	// the format that the line says it is in, in a corpus; for people, and for formats that cannot
	// be detected from their bytes
	Format string
	Line   int  // counted from 1
	Timed  bool // the record has a time of its own
}

// ReadFile reads the records of a file, or of the standard input for "-". The file may be
// compressed with gzip or zstd. Offsets count lines from 0. Each record owns its memory. A line
// that cannot be read yields an error that names it, and the next line is read all the same; an
// error of the file is the last thing that is yielded.
func ReadFile(name string, o ReadOptions) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		if name == "-" {
			for s, err := range Read(os.Stdin, "standard input", o) {
				if !yield(s, err) {
					return
				}
			}
			return
		}
		f, err := os.Open(name)
		if err != nil {
			yield(Sample{}, err)
			return
		}
		defer f.Close()
		for s, err := range Read(f, name, o) {
			if !yield(s, err) {
				return
			}
		}
	}
}

// Read reads records as ReadFile does; name is what errors call the reader.
func Read(r io.Reader, name string, o ReadOptions) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		r, err := unpacked(r)
		if err != nil {
			yield(Sample{}, fmt.Errorf("read %s: %w", name, err))
			return
		}
		if o.Whole {
			value, err := io.ReadAll(io.LimitReader(r, maxLine))
			yield(
				Sample{
					Record: models.Record{Topic: o.Topic, Timestamp: o.Time, Value: value},
					Line:   1,
				},
				err,
			)
			return
		}
		for n := 1; ; n++ {
			line, err := readLine(r)
			if err == io.EOF {
				return
			}
			if err != nil {
				err = fmt.Errorf("%s:%d: %w", name, n, err)
				if !errors.Is(err, errLongLine) {
					yield(Sample{}, err)
					return
				}
				if !yield(Sample{Line: n}, err) {
					return
				}
				continue
			}
			s := Sample{
				Line: n,
				Record: models.Record{
					Topic:     o.Topic,
					Offset:    int64(n - 1),
					Timestamp: o.Time,
					Value:     line,
				},
			}
			if o.Corpus {
				if len(bytes.TrimSpace(line)) == 0 {
					continue
				}
				if err = s.describe(line); err != nil {
					err = fmt.Errorf("%s:%d: %w", name, n, err)
				}
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// describe makes the sample the one that a line of a corpus describes.
func (s *Sample) describe(line []byte) error {
	var d struct {
		ID       string            `json:"id"`
		Format   string            `json:"format"`
		Topic    string            `json:"topic"`
		Key      *string           `json:"key"`
		Headers  map[string]string `json:"headers"`
		TimeMS   *int64            `json:"ts_ms"`
		Value    *string           `json:"value"`
		ValueB64 []byte            `json:"value_b64"`
	}
	if err := json.Unmarshal(line, &d); err != nil {
		return fmt.Errorf("not a line of a corpus: %w", err)
	}
	s.ID, s.Format, s.Value = d.ID, d.Format, d.ValueB64
	if d.Topic != "" {
		s.Topic = d.Topic
	}
	if d.Key != nil {
		s.Key = []byte(*d.Key)
	}
	if d.Value != nil {
		s.Value = []byte(*d.Value)
	}
	if d.TimeMS != nil {
		s.Timestamp, s.Timed = time.UnixMilli(*d.TimeMS), true
	}
	for _, k := range slices.Sorted(maps.Keys(d.Headers)) {
		s.Headers = append(s.Headers, models.Header{Key: k, Value: []byte(d.Headers[k])})
	}
	return nil
}

// unpacked reads through the compression of a file.
func unpacked(r io.Reader) (*bufio.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	magic, _ := b.Peek(4)
	switch {
	case bytes.HasPrefix(magic, magicGzip):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		return bufio.NewReaderSize(z, 64<<10), nil
	case bytes.HasPrefix(magic, magicZstd):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return bufio.NewReaderSize(z, 64<<10), nil
	}
	return b, nil
}

var errLongLine = fmt.Errorf("the line is longer than %d MiB", maxLine>>20)

// readLine reads a line without its end. Every call returns memory of its own.
func readLine(r *bufio.Reader) ([]byte, error) {
	line := []byte{}
	for long := false; ; {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; !long {
			line = append(line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err != nil && (err != io.EOF || len(line) == 0 && !long):
			return nil, err
		case long:
			return nil, errLongLine
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		return bytes.TrimSuffix(line, []byte("\r")), nil
	}
}
