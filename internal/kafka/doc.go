// Package kafka reads logs from Kafka, evaluates them with an engine, and loses none.
//
// It has two entry points. Source is what the program uses: it reads the topics of a consumer
// group, decodes and matches on many goroutines, applies the results on one, reports progress to
// the engine, and keeps checkpoints and committed offsets consistent. Consumer, LogProcessor and
// their relatives serve engines with one method, EvaluateLog: a record is committed after all its
// logs were evaluated, failures are retried, and an engine that keeps failing pauses consumption.
// Both use the same group member: groupconsumer.go, assignment.go, assign.go, commits.go, probe.go
// and recovery.go.
//
// Both guarantee: a record is committed only after it was evaluated, so a crash repeats work but
// loses none. A record that cannot be decoded is counted, logged with a limit and written to the
// dead letters; it blocks nothing. Broker and partition failures are counted and reported, and
// recover by themselves. Only problems that need an operator end Run, with an error that says
// what to do. Constructors neither connect nor start anything.
//
// Reader reads topics without a group, for backtests and searches. Producer writes. DeadLetters
// lists and replays rejected records. KeyTable is the set of keys of a compacted topic.
//
// Methods are safe for concurrent use unless they say otherwise.
package kafka
