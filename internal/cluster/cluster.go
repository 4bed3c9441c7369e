// Package cluster lets several members share the topics of a consumer group and keep one set of
// alerts, whatever the keys of the records. Members are processes with the same configuration.
//
// Matching has no state and distributes by itself: each member scans its share of the partitions,
// and appends what matched, in frames, to the one partition of the frames topic. What frames come
// to is decided by the engine of each member, which applies all of them in the order of the topic.
// So all members decide alike, and the members need not talk to each other: Kafka keeps the order.
//
//	logs, any keys         frames topic, one partition
//	p0 p1 ──► Scanner ──┐  ┌──────────────────────────────┐  ┌─► Fold ─► engine, notifies
//	p2 p3 ──► Scanner ──┴─►│ frame claim tick frame put … │──┼─► Fold ─► engine
//	                       └──────────────────────────────┘  └─► Fold ─► engine
//
// A Fold is a function of the records of the topic: it reads no clock. What counts stands in the
// topic, in one order: frames, rules, the leader, what was notified, silences, manual resolves.
//
// Each record counts once, because a span of records is applied only where its partition stands
// (Positions). Time is in the topic too: a member that has read a partition to its end says so, and
// when it asked; this counts once everything before that end is applied. So the time of a partition
// stands while its member is dead, stopped or cut off, and nothing is decided on its silence.
//
// docs/reference/glossary.md defines epoch, fold, frame, genesis record, snapshot and span.
//
// The leader notifies. It is elected by Kafka's group protocol, begins with its claim in the topic,
// and notifies only while it has read back a tick of its own a moment ago (Lease).
package cluster
