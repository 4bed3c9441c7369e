package alerting_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var writeState = flag.Bool(
	"write-state",
	false,
	"write testdata/state-*.txt of the present format, if there is none",
)

// The state that is saved by a release is read by those after it: testdata/state-N.txt has that of
// format N after four minutes of logs, in which every rule of state.rules.yml has something to
// keep. An engine that begins with it decides what one does that has read all logs. When the format
// changes, the file stays, and one of the new format is written beside it with -write-state.
func TestStateOfEarlierReleases(t *testing.T) {
	text, err := os.ReadFile("testdata/state.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	const half, end = 240, 480 // seconds
	w := newWorld(t, string(text))
	w.random(0, half)
	w.save(true)
	for _, kind := range "vpugns" {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(w.state)), func(key string) bool {
			return key[0] == byte(kind)
		}) {
			t.Errorf("nothing of kind %c is in the state", kind)
		}
	}
	name := fmt.Sprintf("testdata/state-%d.txt", w.state["v"][0])
	if _, err := os.Stat(name); err != nil && *writeState {
		w.write(name)
	} else if err != nil {
		t.Fatalf("the format has changed: %v; write it with -write-state", err)
	}
	w.said = nil
	w.random(half, end)
	want := w.said
	if len(want) < 30 {
		t.Fatalf("too little happens: %q", want)
	}
	files, err := filepath.Glob("testdata/state-*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		again := newWorld(t, string(text))
		again.read(file)
		again.restore()
		again.next = half
		again.random(half, end)
		if diff := cmp.Diff(want, again.said); diff != "" {
			t.Errorf("%s (-without a restart +with it)\n%s", file, diff)
		}
	}
}

// A state that is torn, changed or of another engine is refused, or taken without a panic then and
// later: logs are evaluated on it, time advances for an hour, and it is saved. DAMAGE=1h tries for
// an hour.
func TestDamagedStateDoesNotPanic(t *testing.T) {
	text, err := os.ReadFile("testdata/state.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, string(text))
	w.random(0, 240)
	w.save(true)
	whole := w.state
	keys := slices.Sorted(maps.Keys(whole))
	seed := uint64(1)
	duration, err := time.ParseDuration(os.Getenv("DAMAGE"))
	if err == nil {
		seed = uint64(time.Now().UnixNano())
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	refused, tried := 0, 0
	for end := time.Now().Add(duration); tried < 150 || time.Now().Before(end); tried++ {
		state := maps.Clone(whole)
		said := ""
		for range 1 + rng.IntN(3) {
			key := keys[rng.IntN(len(keys))]
			state[key] = damaged(rng, state[key], whole[keys[rng.IntN(len(keys))]])
			said += fmt.Sprintf("%q: %q becomes %q\n", key, whole[key], state[key])
		}
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("%v after\n%s%s", r, said, debug.Stack())
				}
			}()
			again := newWorld(t, string(text))
			err := again.engine.Restore(func(each func(key, value []byte) error) error {
				for _, key := range keys {
					if err := each([]byte(key), state[key]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				refused++
				return
			}
			again.next = 240
			again.random(240, 260)
			again.engine.Rules()
			again.engine.Alerts()
			again.time(time.Hour)
			again.save(false)
			again.save(true)
		}()
	}
	if refused == 0 || refused == tried {
		t.Errorf("%d of %d are refused", refused, tried)
	}
	t.Logf("%d of %d are refused", refused, tried)
}

// damaged returns a value that a fault of a disk, of a topic or of a program may have made of one.
func damaged(rng *rand.Rand, value, other []byte) []byte {
	value = bytes.Clone(value)
	if len(value) == 0 {
		return other
	}
	at := rng.IntN(len(value))
	switch rng.IntN(6) {
	case 0:
		return value[:at]
	case 1:
		value[at] ^= 1 << rng.IntN(8)
	case 2:
		value[at] = byte(rng.IntN(256))
	case 3: // another number, in JSON
		if i := bytes.IndexAny(value[at:], "0123456789"); i >= 0 {
			value = slices.Replace(value, at+i, at+i+1, []byte("-9")...)
		}
	case 4:
		if i := bytes.IndexAny(value[at:], "0123456789"); i >= 0 {
			value = slices.Insert(value, at+i, []byte("987654321")...)
		}
	default:
		return other
	}
	return value
}

// random has a log written each second from one to another, of what the rules look at.
func (w *world) random(from, to int) {
	r := rand.New(rand.NewPCG(7, uint64(from)))
	for second := from; second < to; second++ {
		key := r.IntN(3)
		fields := fmt.Sprintf(`"k":"k%d"`, key)
		switch kind := r.IntN(12); kind {
		case 0, 1, 2:
			fields += fmt.Sprintf(`,"event":"fail","user":"u%d"`, r.IntN(4))
		case 3, 4:
			fields += fmt.Sprintf(`,"event":"login","user":"u%d"`, r.IntN(9))
		case 5, 6:
			fields += fmt.Sprintf(
				`,"event":"request","status":%d,"took":%d`,
				200+300*r.IntN(2),
				r.IntN(1100),
			)
		case 7:
			fields += fmt.Sprintf(`,"event":"queue","depth":%d`, r.IntN(80))
		default:
			list := []string{"beat", "backup", "down", "up", "deploy", "deployed"}
			fields += fmt.Sprintf(`,"event":%q`, list[r.IntN(len(list))])
		}
		w.log(time.Duration(second)*time.Second, fields)
	}
}

// write writes the state to a file: a key and a value in a line.
func (w *world) write(name string) {
	w.t.Helper()
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(w.state)) {
		encode := base64.StdEncoding.EncodeToString
		fmt.Fprintf(&b, "%s %s\n", encode([]byte(key)), encode(w.state[key]))
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// read reads what write has written.
func (w *world) read(name string) {
	w.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		k, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		v, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		w.state[string(k)] = v
	}
}
