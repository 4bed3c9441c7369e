package store

import (
	"fmt"
	"testing"
)

const million = 1_000_000

func groupKey(dst []byte, i int) []byte {
	return fmt.Appendf(dst[:0], "w/rule-%02d/service-%012d", i%50, i)
}

func fill(b *testing.B, s *Store) {
	b.Helper()
	var key []byte
	value := make([]byte, 100)
	c := s.Begin()
	for i := range million {
		key = groupKey(key, i)
		c.Put(key, value)
	}
	if err := s.Commit(c); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCommit is one checkpoint of a million groups of which a tenth have changed.
func BenchmarkCommit(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fill(b, s)
	var key []byte
	value := make([]byte, 100)
	n := 0
	for b.Loop() {
		c := s.Begin()
		for range million / 10 {
			n += 7919
			key = groupKey(key, n%million)
			c.Put(key, value)
		}
		if err := s.Commit(c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRestart opens and loads a million groups: a snapshot, and logs half as large.
func BenchmarkRestart(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(dir, Options{LogBytes: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	fill(b, s)
	var key []byte
	for i := range million / 2 {
		c := s.Begin()
		key = groupKey(key, i)
		c.Put(key, make([]byte, 100))
		if i%(million/10) == 0 {
			for j := i; j < i+million/10; j++ {
				key = groupKey(key, j)
				c.Put(key, make([]byte, 100))
			}
			if err := s.Commit(c); err != nil {
				b.Fatal(err)
			}
		}
	}
	s.Close()
	for b.Loop() {
		s, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		if err := s.Load(func(_, _ []byte) error { n++; return nil }); err != nil || n != million {
			b.Fatalf("%d keys, %v", n, err)
		}
		s.Close()
	}
}
