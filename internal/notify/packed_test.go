package notify

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// fill gives every field of a value, also those that are added later, a value of its own.
func fill(rng *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		b := make([]byte, 1+rng.IntN(20))
		for i := range b {
			b[i] = byte(rng.IntN(256))
		}
		v.SetString(string(b))
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(int32(rng.Uint32())))
	case reflect.Float64:
		v.SetFloat(rng.NormFloat64())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rng.IntN(3), 3))
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rng.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(rng, key)
			fill(rng, value)
			v.SetMapIndex(key, value)
		}
		if v.Type().Elem().Kind() == reflect.Slice && v.Len() == 0 {
			v.SetZero() // the engine leaves it nil
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			if rng.IntN(4) > 0 {
				v.Set(reflect.ValueOf(time.Unix(int64(rng.Uint32()), int64(rng.IntN(1e9))).UTC()))
			}
			return
		}
		for i := range v.NumField() {
			fill(rng, v.Field(i))
		}
	default:
		panic(v.Kind())
	}
}

// A packed alert holds every field of an alert.
func TestPackedAlertIsWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var a models.Alert
		fill(rng, reflect.ValueOf(&a).Elem())
		p := pack(a)
		if got := p.alert(); !reflect.DeepEqual(got, a) {
			t.Fatalf("packed and unpacked\n%+v\nis\n%+v", a, got)
		}
		if p.ID != a.ID || p.Rule != a.Rule || p.Severity != a.Severity || p.State != a.State ||
			!p.At.Equal(a.At) || p.Home != a.Home {
			t.Fatalf("the fields of\n%+v\nare\n%+v", a, p)
		}
	}
	none := pack(models.Alert{})
	if got := none.alert(); !reflect.DeepEqual(got, models.Alert{}) {
		t.Errorf("an empty alert becomes %+v", got)
	}
}

// randomState is a state with values in every field that is kept.
func randomState(rng *rand.Rand) *state {
	s := &state{Labels: packLabels(model.LabelSet{"alertname": "A", "user": "\xff⟨"})}
	for n := range 1 + rng.IntN(3) {
		var one step
		var a models.Alert
		fill(rng, reflect.ValueOf(&a).Elem())
		one.N, one.Alert = uint64(n+1), pack(a)
		fill(rng, reflect.ValueOf(&one.Since).Elem())
		fill(rng, reflect.ValueOf(&one.MergedIDs).Elem())
		one.Muted = map[string]bool{"a": true, "b": false}
		one.Merged = rng.IntN(9)
		s.Steps = append(s.Steps, one)
	}
	if rng.IntN(2) == 0 {
		s.Notified = map[string]progress{
			"one": {N: 3, ID: "x", State: models.AlertFiring, At: time.Unix(1, 2).UTC()}, "two": {},
		}
	}
	return s
}

// A packed state reads back as it was, and so does one that an earlier version wrote as JSON.
func TestPackedStateReadsBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		s := randomState(rng)
		got, err := unpackState(s.pack())
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("%v:\n%+v\nis not\n%+v", err, got, s)
		}
	}
	s := &state{
		Labels: packLabels(model.LabelSet{"alertname": "Errors"}),
		Steps:  []step{{N: 1, Alert: pack(firingAlert("Errors", "a", 1))}},
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpackState(string(text))
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%v: from JSON\n%+v\nis not\n%+v", err, got, s)
	}
}

// Whatever a damaged value holds, reading it ends without a panic, and without asking for more
// memory than the value is large.
func TestDamagedPackedState(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 3_000 {
		value := []byte(randomState(rng).pack())
		value = value[:rng.IntN(len(value)+1)]
		for range rng.IntN(3) {
			if len(value) > 0 {
				value[rng.IntN(len(value))] = byte(rng.IntN(256))
			}
		}
		s, err := unpackState(string(value))
		if err != nil {
			continue
		}
		for i := range s.Steps {
			s.Steps[i].Alert.alert()
		}
		if again, err := unpackState(s.pack()); err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%v: %q is read otherwise a second time", err, value)
		}
	}
}

// A damaged value that promises very many labels does not take memory for them.
func TestPromisedLengthsTakeNoMemory(t *testing.T) {
	const promised = 1 << 20
	var inner packer
	for range 3 {
		inner.text("x") // ID, rule, severity
	}
	inner.text("firing")
	inner.time(time.Time{})
	inner.text("logs")
	inner.int(0)
	inner.int(1)
	inner.text("reason")
	inner.uint(promised)
	value := string(inner) + strings.Repeat("\xff", promised)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	one := packedAlert{whole: value}
	one.alert()
	p := packer{packedState}
	p.text(string(packLabels(model.LabelSet{"alertname": "A"})))
	p.uint(0)
	p.uint(1)
	p.uint(1)
	if _, err := unpackState(string(p) + value); err == nil {
		t.Error("it is read")
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8*promised {
		t.Errorf("%d bytes are taken for %d", took, len(value))
	}
}
