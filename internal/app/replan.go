package app

import (
	"context"
	"time"

	"github.com/log-monitoring/alert-engine/internal/wait"
)

const (
	planFirst = 5 * time.Second  // between two looks whether enough logs have gone by to plan by
	planNext  = 10 * time.Minute // after a plan; what is rare in logs rarely changes
)

// replan has the index over the rules planned by the logs that go by.
func (p *process) replan(ctx context.Context) error {
	for pause := planFirst; wait.Sleep(ctx, pause); {
		pause = planFirst
		done, err := p.state.Replan()
		if err != nil {
			p.logger.Error("the query index could not be planned anew; the old plan stays",
				"error", err)
		}
		if done {
			pause = planNext
		}
	}
	return nil
}
