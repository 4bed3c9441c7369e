package alerting

import (
	"reflect"
	"strings"
	"testing"
)

// What scanners read leads to nothing that the engine's lock guards: what is compiled of a rule
// and what has been seen of it are apart by their types.
func TestScannersDoNotReachState(t *testing.T) {
	guarded := map[reflect.Type]bool{
		reflect.TypeFor[state](): true, reflect.TypeFor[ruleState](): true,
		reflect.TypeFor[group](): true, reflect.TypeFor[machine](): true,
		reflect.TypeFor[alert](): true, reflect.TypeFor[Engine](): true,
	}
	for _, root := range []reflect.Type{
		reflect.TypeFor[ruleSet](), reflect.TypeFor[compiledRule](),
		reflect.TypeFor[compiledSuppression](), reflect.TypeFor[scanners](),
		reflect.TypeFor[scanner](), reflect.TypeFor[scan](),
	} {
		if path := pathTo(root, guarded, map[reflect.Type]bool{}); path != "" {
			t.Errorf("%v leads to what the lock guards: %s", root, path)
		}
	}
	if pathTo(reflect.TypeFor[Engine](), map[reflect.Type]bool{reflect.TypeFor[ruleState](): true},
		map[reflect.Type]bool{}) == "" {
		t.Error("the walk does not find the rules' state below the engine")
	}
}

// pathTo is how one of some types is reached from another, "" if none is.
func pathTo(from reflect.Type, to, seen map[reflect.Type]bool) string {
	if to[from] {
		return from.String()
	}
	if seen[from] || from.PkgPath() != "" &&
		!strings.HasPrefix(from.PkgPath(), "github.com/log-monitoring/") &&
		!strings.HasPrefix(from.PkgPath(), "sync") {
		return ""
	}
	seen[from] = true
	switch from.Kind() {
	case reflect.Struct:
		for i := range from.NumField() {
			if path := pathTo(from.Field(i).Type, to, seen); path != "" {
				return from.String() + "." + from.Field(i).Name + " > " + path
			}
		}
	case reflect.Map:
		if path := pathTo(from.Key(), to, seen); path != "" {
			return path
		}
		return pathTo(from.Elem(), to, seen)
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan:
		return pathTo(from.Elem(), to, seen)
	}
	return ""
}
