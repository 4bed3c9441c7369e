package alerting_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
)

func TestConditionValuesAreSampledEvenly(t *testing.T) {
	values := alerting.NewValues("shop/Errors")
	w := newWorld(t, `
groups:
- name: shop
  rules:
  - {alert: Errors, match: 'level:ERROR', when: count() > 3000, window: 10d}
  - {alert: Other, match: 'level:ERROR', when: count() > 3000, window: 10d}
`, alerting.WithValues(values))
	for i := range 4096 {
		w.put(monday.Add(time.Duration(i)*time.Second), monday.Add(time.Duration(i)*time.Second),
			`"level":"ERROR"`)
	}
	list := values.Of("shop/Errors")
	got := fmt.Sprint(len(list), list[0], list[len(list)-1], len(values.Of("shop/Other")))
	if got != "2048 2 4096 0" {
		t.Errorf("number, first and last are %s", got)
	}
}
