package kafka

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordPool keeps the memory of records that have been evaluated, for later ones: a batch of them
// and its decompressed bytes. The client clears what comes back. Memory whose records are not all
// given back, because some wait to be joined or held back, is left to the garbage collector.
//
// It is a kgo.PoolDecompressBytes and kgo.PoolRecords, and is safe for concurrent use.
type recordPool struct {
	// Of *[]byte, by the power of two that is not above the capacity: a batch is cleared as a
	// whole, so a small one must not get the memory of a large one.
	bytes   [maxPooledBits + 1]sync.Pool
	records sync.Pool // of *[]kgo.Record
}

const (
	maxPooledBits    = 20      // of the capacity of the largest batch, decompressed, that is kept
	maxPooledRecords = 1 << 14 // of the largest batch that is kept
)

// GetDecompressBytes returns memory of at most sixteen times the size of what it is for.
func (p *recordPool) GetDecompressBytes(src []byte, _ kgo.CompressionCodecType) []byte {
	size := bits.Len(uint(len(src)))
	for class := min(size+2, maxPooledBits); class >= size-1 && class >= 0; class-- {
		if b, ok := p.bytes[class].Get().(*[]byte); ok {
			return *b
		}
	}
	return nil
}

// PutDecompressBytes keeps memory.
func (p *recordPool) PutDecompressBytes(b []byte) {
	if class := bits.Len(uint(cap(b))) - 1; class >= 0 && class <= maxPooledBits {
		p.bytes[class].Put(&b)
	}
}

// GetRecords returns n records.
func (p *recordPool) GetRecords(n int) []kgo.Record {
	if r, ok := p.records.Get().(*[]kgo.Record); ok && cap(*r) >= n {
		return *r
	}
	return make([]kgo.Record, n)
}

// PutRecords keeps records.
func (p *recordPool) PutRecords(r []kgo.Record) {
	if cap(r) <= maxPooledRecords {
		p.records.Put(&r)
	}
}

// recycle gives the records of evaluated batches back to the pool. Those of topics whose records
// are joined are not its own: some wait for what continues them.
func (s *Source) recycle(batches []batch) {
	for _, b := range batches {
		if s.cfg.Joiner != nil && s.joiner(b.part.Topic) != nil {
			continue
		}
		for _, r := range b.records {
			r.Recycle()
		}
	}
}
