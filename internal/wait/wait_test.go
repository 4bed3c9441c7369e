package wait

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if !Sleep(ctx, 2*time.Second) || time.Since(began) != 2*time.Second {
			t.Errorf("it slept for %v", time.Since(began))
		}
		if Sleep(ctx, 2*time.Second) || time.Since(began) != 3*time.Second {
			t.Errorf("it slept until %v after the start", time.Since(began))
		}
	})
}
