package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// What began last ends first, and nothing is asked to end before what relies on it has.
func TestLifetimesEndInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		l := newLifetimes()
		l.onEnd(func() error { got = append(got, "close store"); return nil })
		for _, name := range []string{"web", "notify", "source"} {
			l.start(t.Context(), name, func(ctx context.Context) error {
				<-ctx.Done()
				got = append(got, name)
				return ctx.Err()
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := errors.Join(l.wait(ctx), l.end()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"source", "notify", "web", "close store"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A part that fails ends the program, which says which one it was and what else went wrong while it
// stopped.
func TestLifetimesFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLifetimes()
		l.start(
			t.Context(),
			"notify",
			func(ctx context.Context) error {
				<-ctx.Done()
				return errors.New("half a batch is left")
			},
		)
		l.start(t.Context(), "source", func(context.Context) error {
			return errors.New("access denied")
		})
		err := errors.Join(l.wait(t.Context()), l.end())
		if want := "source: access denied\nnotify: half a batch is left"; err == nil ||
			strings.TrimSpace(err.Error()) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}
