package kafka

import "time"

// What one poll decides is notified when all of it is evaluated and saved. So in a flood of alerts,
// where each log takes long, a poll has fewer records, and another rule's notification waits for
// less.
const (
	evaluateTime = 100 * time.Millisecond // that the records of one poll should take at most
	fewestPolled = 2000                   // however long they take: each round has its own cost
)

// nextPoll is how many records the next poll takes at most, after one of at most limit records had
// so many, and evaluating them took so long. Most is the setting.
func nextPoll(limit, most, records int, took time.Duration) int {
	switch {
	case took > evaluateTime && records >= limit/2:
		fits := int(int64(records) * int64(evaluateTime) / int64(took))
		limit = max(fits, limit/4, fewestPolled)
	case took < evaluateTime/2:
		limit *= 2
	}
	return min(limit, most)
}
