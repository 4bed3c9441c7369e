// Package kafka reads logs from Kafka, evaluates them with an engine, and loses none.
//
// There are two ways in. Source is what the program uses: it reads the topics of a consumer group,
// has many goroutines scan the records and one apply what they found, tells the engine how far it
// has come, and keeps the engine's checkpoints and the group's offsets in step. Consumer,
// LogProcessor and their relatives serve engines with a single method, EvaluateLog: a record is
// committed once all its logs were evaluated, what fails is tried again, and what goes on failing
// pauses consumption until it is well. Both stand on the same member of a consumer group, which is
// what feed.go, assign.go, probe.go and trouble.go make.
//
// What holds for both: a record is committed only after it was evaluated, so a crash repeats work
// but loses none. A record that cannot be read is counted, logged sparingly, kept among the dead
// letters if there are any, and holds nobody up. Trouble with a broker or a partition is counted
// and said, and ends by itself when its cause does; only what an operator has to mend ends a Run,
// and then its error says how. Constructors neither dial nor start anything.
//
// Beside them, Reader reads topics without a group, for backtests and to look back; Producer
// writes; DeadLetters lists what could not be read, and replays it.
//
// Any method of the package's types may be called by any goroutine, unless it says otherwise.
package kafka
