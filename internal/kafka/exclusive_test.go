package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// "I stop one of two instances for an upgrade, and start it again. What the other has read in the
// meantime is not a reset, but what my state lacks."
func TestStoppedAmongOthers(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		f := func(alone func() error, left bool) {
			t.Helper()
			cfg := b.sourceConfig()
			cfg.Exclusive = alone
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

// "My rules group by what is spread over partitions. A second instance must not make the counts of
// the first one wrong."
func TestAlone(t *testing.T) {
	inBubble(t, 4, func(b *bed) {
		alone := b.sourceConfig()
		alone.InstanceID, alone.Exclusive = "first", func() error {
			return errors.New("rule shop/Errors is spread")
		}
		s1, r1 := started(b, alone, keeping{newNotebook()})
		time.Sleep(5 * time.Second)
		if h := s1.Health(); h.State != Ready {
			t.Errorf("alone, the first is %v", h)
		}

		second := alone
		second.InstanceID = "second"
		err := NewSource(second, keeping{newNotebook()}).Run(context.Background())
		if err == nil || !strings.Contains(err.Error(), "first") ||
			!strings.Contains(err.Error(), "shop/Errors is spread") {
			t.Errorf("the second may join: %v", err)
		}
		time.Sleep(5 * time.Second)
		if n := len(s1.Stats().Partitions); n != 4 {
			t.Errorf("the first has %d partitions after the second was refused", n)
		}

		// Anyone who does not ask, or asked at the same instant, joins; then the first is not right
		// any more, and says so.
		rude := alone
		rude.InstanceID, rude.Exclusive = "rude", nil
		_, r2 := started(b, rude, keeping{newNotebook()})
		time.Sleep(20 * time.Second)
		if h := s1.Health(); h.State != Degraded ||
			!strings.Contains(strings.Join(h.Problems, " "), "other members") {
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

// A process that was killed is a member until its session times out. One that starts with another
// instance ID in the meantime, because its own was lost, says what it waits for, and then reads.
func TestStartWithoutInstanceIDWaits(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		cfg := b.sourceConfig()
		cfg.InstanceID, cfg.SessionTimeout = "killed", 20*time.Second
		cfg.Exclusive = func() error { return errors.New("rule shop/Errors is spread") }
		engine := keeping{newNotebook()}
		_, first := started(b, cfg, engine)
		b.numbered(0, 0, 5)
		b.waitCommitted(0, 5)
		b.broker.Cluster().ControlKey(kmsg.LeaveGroup.Int16(),
			func(kmsg.Request) (kmsg.Response, error, bool) {
				b.broker.Cluster().KeepControl()
				return nil, errors.New("a killed process does not leave"), true
			})
		first.cancel()
		<-first.done

		cfg.InstanceID = "new"
		began := time.Now()
		s := NewSource(cfg, engine.crash())
		r := run(t, s.Run)
		b.wait("a reason", func() bool {
			return r.alive() && strings.Contains(fmt.Sprint(s.Health()), "another member, killed")
		})
		if text := b.logs.String(); !strings.Contains(text, "members=\"killed of ") ||
			!strings.Contains(text, "at_most=25s") {
			t.Errorf("it is not said: %s", text)
		}
		b.wait("health", func() bool { return r.alive() && s.Health().State == Ready })
		if took := time.Since(began); took < 10*time.Second || took > 35*time.Second {
			t.Errorf("it waited for %s", took)
		}
		r.cancel()
		<-r.done
	})
}
