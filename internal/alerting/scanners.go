package alerting

import (
	"sync"
	"sync/atomic"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// scanners are what all scanners of an engine share. Rules, once compiled, never change; the rest
// may be used by any number of goroutines.
type scanners struct {
	opts    *options
	ruleSet atomic.Pointer[ruleSet] // the one in use
	scans   sync.Pool               // of *scan
	sample  sample                  // of the records that were scanned
	// values of which a regular expression read only the beginning
	regexpsCut atomic.Int64
	notices    [decode.NoticeCount]atomic.Uint64 // of logs, since the start
}

func (ss *scanners) release(sc *scan) {
	if sc.recycle() {
		ss.scans.Put(sc)
	}
}

// newDecoder returns a decoder for a topic. A configuration that is wrong was refused long before;
// here it means that records are recognised by their bytes.
func (ss *scanners) newDecoder(topic string, fields *decode.Fields) *decode.Decoder {
	d, err := decode.New(ss.opts.decode(topic), fields)
	if err != nil {
		ss.opts.logger.Error("decode configuration is ignored", "topic", topic, "err", err)
		d, _ = decode.New(decode.Config{}, fields)
	}
	return d
}
