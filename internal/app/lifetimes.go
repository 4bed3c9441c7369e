package app

import (
	"context"
	"errors"
	"fmt"
)

// lifetimes are the parts that run and the things that are open, in the order in which they began.
// They end in reverse: each part has stopped before anything that began before it, and that it may
// rely on, is asked to. One goroutine uses it.
type lifetimes struct {
	ends   []func() error
	failed chan error
}

func newLifetimes() *lifetimes { return &lifetimes{failed: make(chan error, 1)} }

// start runs a part until it is its turn to end. A part that ends before, with an error or without,
// ends the process.
func (l *lifetimes) start(ctx context.Context, name string, run func(context.Context) error) {
	// The part's context outlives ctx, the program's: what ends all parts at once would cut off the
	// source from the store it must write to.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("stopped unexpectedly")
			}
			select {
			case l.failed <- named(name, err):
			default: // the first failure is the cause
			}
			err = nil
		}
		done <- named(name, err)
	}()
	l.onEnd(func() error {
		cancel()
		return <-done
	})
}

// onEnd has f called when everything that begins later has ended.
func (l *lifetimes) onEnd(f func() error) { l.ends = append(l.ends, f) }

// wait returns when ctx is done or a part has failed, whose error it is.
func (l *lifetimes) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-l.failed:
		return err
	}
}

// end ends everything, latest first, and returns what went wrong.
func (l *lifetimes) end() error {
	var errs []error
	for i := len(l.ends) - 1; i >= 0; i-- {
		errs = append(errs, l.ends[i]())
	}
	l.ends = nil
	return errors.Join(errs...)
}

func named(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
