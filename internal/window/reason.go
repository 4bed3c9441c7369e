package window

import (
	"strconv"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// tell says what n was held against, and why the truth is as it is.
func (c *counting) tell(p *Plan, n int, holds bool) (threshold, reason string) {
	if c.shown == nil {
		if holds {
			return "> 0", strconv.Itoa(n) + " in " + p.text
		}
		return "> 0", "quiet for " + p.text
	}
	threshold = c.shown.Op + " " + c.shown.Right.(*rule.Number).Text
	if holds {
		return threshold, strconv.Itoa(n) + " " + threshold + " in " + p.text
	}
	return threshold, strconv.Itoa(n) + " in " + p.text
}

// shortDuration writes a duration as rules do: 90s, 5m, 1h30m, 7d.
func shortDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	text := ""
	for _, unit := range []struct {
		d    time.Duration
		name string
	}{{7 * 24 * time.Hour, "w"}, {24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / unit.d; n > 0 {
			text += strconv.Itoa(int(n)) + unit.name
			d -= n * unit.d
		}
	}
	return text
}
