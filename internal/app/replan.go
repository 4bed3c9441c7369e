package app

import (
	"context"
	"time"
)

const (
	planFirst = 5 * time.Second  // between two looks whether enough logs have gone by to plan by
	planNext  = 10 * time.Minute // after a plan; what is rare in logs rarely changes
)

// replan has the index over the rules planned by the logs that go by.
func (p *program) replan(ctx context.Context) error {
	wait := planFirst
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = planFirst
		done, err := p.state.Replan()
		if err != nil {
			p.logger.Error(
				"the rules could not be planned by what the logs hold; they go on as they are",
				"err",
				err,
			)
		}
		if done {
			wait = planNext
		}
	}
}
