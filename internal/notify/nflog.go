package notify

import (
	"bytes"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
)

// notificationLog is Alertmanager's notification log, of which each entry is on disk before the
// pipeline continues. Alertmanager itself writes a snapshot every 15 minutes; killed in between, it
// repeats the notifications of that time.
type notificationLog struct {
	log *nflog.Log
	wal *wal
	// passes an entry on to the next leader of a cluster
	publish func(key string, value []byte)
	share   func(silence []byte) // passes a silence on to other members; nil for none
	// what comes from another member is not passed on again
	merging atomic.Bool
}

// attach reads the log and the silences from the write-ahead log, and has both write to it from
// then on. They broadcast to other members of a cluster; the write-ahead log is the only one.
func (l *notificationLog) attach(w *wal, s *silence.Silences, logger *slog.Logger) {
	l.wal = w
	merge := func(what, prefix string, merge func([]byte) error) {
		w.each(prefix, time.Now(), func(key, value string) {
			if err := merge([]byte(value)); err != nil {
				logger.Error(
					"an entry of the notification state cannot be read and is dropped",
					"kind", what, "key", key, "error", err,
				)
			}
		})
	}
	merge("notification", keyLog, l.log.Merge)
	merge("silence", keySilence, s.Merge)
	l.log.SetBroadcast(func(b []byte) {
		var e nflogpb.MeshEntry
		if err := protodelim.UnmarshalFrom(bytes.NewReader(b), &e); err == nil {
			r := e.Entry.Receiver
			key := fmt.Sprintf(
				keyLog+"%s/%s/%d:%s",
				r.GroupName,
				r.Integration,
				r.Idx,
				e.Entry.GroupKey,
			)
			w.put(key, string(b), e.ExpiresAt.AsTime())
			if !l.merging.Load() {
				l.publish(key, bytes.Clone(b))
			}
		}
	})
	s.SetBroadcast(func(b []byte) {
		var e silencepb.MeshSilence
		if err := protodelim.UnmarshalFrom(bytes.NewReader(b), &e); err == nil {
			w.put(keySilence+e.Silence.Id, string(b), e.ExpiresAt.AsTime())
			if l.share != nil && !l.merging.Load() {
				l.share(bytes.Clone(b))
			}
			// rare, and its author relies on it: see Notifier.change
			_ = w.flush()
		}
	})
}

// Log implements notify.NotificationLog.
func (l *notificationLog) Log(
	r *nflogpb.Receiver,
	group string,
	firing, resolved, muted []uint64,
	data *nflog.Store,
	expiry time.Duration,
) error {
	err := l.supersede(r, group, firing, resolved, muted, expiry)
	if err == nil {
		err = l.log.Log(r, group, firing, resolved, muted, data, expiry)
	}
	if err != nil {
		return err
	}
	// A disk that is full must not have the same notification sent once a minute: the log in memory
	// knows better, and Health reports the error.
	_ = l.wal.flush()
	return nil
}

// supersede replaces an entry of the future, which is left when this machine's clock was ahead and
// is right now. Alertmanager keeps such an entry, as if another member of the cluster knew better,
// for as long as the clock was ahead: that an alert is resolved would not be noted, and when it
// fires again no receiver would be notified.
func (l *notificationLog) supersede(
	r *nflogpb.Receiver,
	group string,
	firing, resolved, muted []uint64,
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
			Receiver:       r,
			GroupKey:       []byte(group),
			Timestamp:      timestamppb.New(at),
			FiringAlerts:   firing,
			ResolvedAlerts: resolved,
			MutedAlerts:    muted,
			ReceiverData:   old[0].ReceiverData,
		},
		ExpiresAt: timestamppb.New(at.Add(expiry)),
	})
	if err != nil {
		return fmt.Errorf("note what was notified: %w", err)
	}
	return l.log.Merge(b.Bytes())
}

// Query implements notify.NotificationLog.
func (l *notificationLog) Query(params ...nflog.QueryParam) ([]*nflogpb.Entry, error) {
	return l.log.Query(params...)
}
