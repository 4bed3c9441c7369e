// Package window says when conditions over a sliding window of event time hold.
//
// A window of length w at the instant T holds the logs with T-w < t <= T, so a log enters with its own time and leaves exactly w later. What is asked is
// therefore not "does it hold now" but "over which spans of event time does it hold": an answer that depends on the times of the logs alone, never on the order
// or the batches in which they arrived. Times are in nanoseconds since the Unix epoch. Nothing here reads a clock, and one goroutine uses a value at a time.
package window

// Span is a half-open interval of event time: From belongs to it, To does not.
type Span struct{ From, To int64 }
