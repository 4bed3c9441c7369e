package notify

import (
	"bytes"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
)

// ledger is Alertmanager's notification log, of which each entry is on disk before the pipeline
// goes on. Alertmanager itself writes a snapshot every 15 minutes; killed in between, it tells
// everything of that time once more.
type ledger struct {
	log     *nflog.Log
	journal *journal
}

// attach reads the log and the silences from the journal, and has both write to it from then on.
// They are told to broadcast to other members of a cluster; the journal is the only one.
func (l *ledger) attach(j *journal, s *silence.Silences, logger *slog.Logger) {
	l.journal = j
	merge := func(what, prefix string, merge func([]byte) error) {
		j.each(prefix, time.Now(), func(key string, value []byte) {
			if err := merge(value); err != nil {
				logger.Error(
					"an entry of the memory of notifications cannot be read and is dropped",
					"kind",
					what,
					"key",
					key,
					"error",
					err,
				)
			}
		})
	}
	merge("notification", "told/", l.log.Merge)
	merge("silence", "silence/", s.Merge)
	l.log.SetBroadcast(func(b []byte) {
		var e nflogpb.MeshEntry
		if err := protodelim.UnmarshalFrom(bytes.NewReader(b), &e); err == nil {
			r := e.Entry.Receiver
			j.put(
				fmt.Sprintf(
					"told/%s/%s/%d:%s",
					r.GroupName,
					r.Integration,
					r.Idx,
					e.Entry.GroupKey,
				),
				bytes.Clone(b),
				e.ExpiresAt.AsTime(),
			)
		}
	})
	s.SetBroadcast(func(b []byte) {
		var e silencepb.MeshSilence
		if err := protodelim.UnmarshalFrom(bytes.NewReader(b), &e); err == nil {
			j.put("silence/"+e.Silence.Id, bytes.Clone(b), e.ExpiresAt.AsTime())
			// rare, and whoever asked for the silence relies on it; the journal reports its error
			_ = j.flush()
		}
	})
}

// Log implements notify.NotificationLog.
func (l *ledger) Log(
	r *nflogpb.Receiver,
	group string,
	firing, resolved []uint64,
	data *nflog.Store,
	expiry time.Duration,
) error {
	err := l.supersede(r, group, firing, resolved, expiry)
	if err == nil {
		err = l.log.Log(r, group, firing, resolved, data, expiry)
	}
	if err != nil {
		return err
	}
	// A disk that is full must not have the same notification sent once a minute: the log in memory
	// knows better, and the journal raises the alarm.
	_ = l.journal.flush()
	return nil
}

// supersede replaces an entry of the future, which is left when this machine's clock was ahead and
// is right now. Alertmanager keeps such an entry, as if another member of the cluster knew better,
// for as long as the clock was ahead: that an alert is over would not be noted, and when it fires
// once more nobody would be told.
func (l *ledger) supersede(
	r *nflogpb.Receiver,
	group string,
	firing, resolved []uint64,
	expiry time.Duration,
) error {
	old, err := l.log.Query(nflog.QGroupKey(group), nflog.QReceiver(r))
	if err != nil || len(old) != 1 || !old[0].Timestamp.AsTime().After(time.Now()) {
		return nil // there is none, or an ordinary one
	}
	if expiry <= 0 || expiry > retention {
		expiry = retention
	}
	at := old[0].Timestamp.AsTime().Add(time.Nanosecond)
	var b bytes.Buffer
	_, err = protodelim.MarshalTo(&b, &nflogpb.MeshEntry{
		Entry: &nflogpb.Entry{
			Receiver: r, GroupKey: []byte(group), Timestamp: timestamppb.New(at), FiringAlerts: firing, ResolvedAlerts: resolved, ReceiverData: old[0].ReceiverData,
		},
		ExpiresAt: timestamppb.New(at.Add(expiry)),
	})
	if err != nil {
		return fmt.Errorf("note what was told: %w", err)
	}
	return l.log.Merge(b.Bytes())
}

// Query implements notify.NotificationLog.
func (l *ledger) Query(params ...nflog.QueryParam) ([]*nflogpb.Entry, error) {
	return l.log.Query(params...)
}
