package decode

import "github.com/log-monitoring/alert-engine/pkg/models"

// sharing counts the bytes that the logs of a record share and that are read again with each.
type sharing struct {
	size      int  // of the record's value, unpacked
	headers   int  // of the record
	part      int  // of the envelope or the resource of the current log
	spent     int  // so far
	exhausted bool // the record's other logs are left out
	said      bool
}

func (s *sharing) begin(rec *models.Record) {
	s.size = len(rec.Value)
	for i := range rec.Headers {
		// a header costs something even if it is empty
		s.headers += len(rec.Headers[i].Key) + len(rec.Headers[i].Value) + 16
	}
}

// spend notes that a log was read.
func (s *sharing) spend() {
	if s.spent += s.headers + s.part; s.spent <= sharedAlways {
		return
	}
	s.exhausted = s.spent > min(max(s.size*sharedRatio, sharedAlways), sharedMost)
}
