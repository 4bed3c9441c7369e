package kafka

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// "I stop one of two instances for an upgrade, and start it again. What the other has read meanwhile is no reset, but what my state lacks."
func TestStoppedAmongOthers(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		f := func(alone func() error, left bool) {
			t.Helper()
			cfg := b.sourceConfig()
			cfg.Alone = alone
			engine := keeping{newNotebook()}
			_, r := started(b, cfg, engine)
			time.Sleep(5 * time.Second)
			r.stop()
			if at := engine.position(b, 0); at.Left != left {
				t.Errorf("after a clean stop the position is %+v, want left to be %v", at, left)
			}
		}
		b.numbered(0, 0, 5)
		f(func() error { return nil }, true)
		f(func() error { return errors.New("spread") }, false)
		f(nil, false)
	})
}

// "My rules group by what is spread over partitions. A second instance must not make the counts of the first one wrong."
func TestAlone(t *testing.T) {
	inBubble(t, 4, func(b *bed) {
		alone := b.sourceConfig()
		alone.Instance, alone.Alone = "first", func() error { return errors.New("rule shop/Errors is spread") }
		s1, r1 := started(b, alone, keeping{newNotebook()})
		time.Sleep(5 * time.Second)
		if h := s1.Health(); h.State != Ready {
			t.Errorf("alone, the first is %v", h)
		}

		second := alone
		second.Instance = "second"
		err := NewSource(second, keeping{newNotebook()}).Run(context.Background())
		if err == nil || !strings.Contains(err.Error(), "first") || !strings.Contains(err.Error(), "shop/Errors is spread") {
			t.Errorf("the second may join: %v", err)
		}
		time.Sleep(5 * time.Second)
		if n := len(s1.Stats().Partitions); n != 4 {
			t.Errorf("the first has %d partitions after the second was refused", n)
		}

		// Whoever does not ask, or asked at the same instant, joins; then the first is not right any more, and says so.
		rude := alone
		rude.Instance, rude.Alone = "rude", nil
		_, r2 := started(b, rude, keeping{newNotebook()})
		time.Sleep(20 * time.Second)
		if h := s1.Health(); h.State != Degraded || !strings.Contains(strings.Join(h.Problems, " "), "other members") {
			t.Errorf("in company, the first is %v", h)
		}
		r2.stop()
		time.Sleep(20 * time.Second)
		if h := s1.Health(); h.State != Ready {
			t.Errorf("alone again, the first is %v", h)
		}
		r1.stop()
	})
}
