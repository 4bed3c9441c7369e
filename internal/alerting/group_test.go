package alerting

import (
	"fmt"
	"os"
	"testing"
	"unsafe"
)

// Whatever the tests did, none of them wrote into what groups without an alert have in common.
func TestMain(m *testing.M) {
	code := m.Run()
	if none != (more{}) {
		fmt.Println("FAIL: somebody wrote into none: extend was not called")
		code = 1
	}
	os.Exit(code)
}

// A chunk of groups fills what the allocator gives for it, and no group is on three lines of the
// processor's caches.
func TestGroupSize(t *testing.T) {
	if size := unsafe.Sizeof(group{}); size%32 != 0 || size > 96 {
		t.Errorf("a group takes %d bytes", size)
	}
}
