package window

import (
	"flag"
	"os"
	"testing"
)

// TestMain draws the same random cases in each run, so that a run says the same twice, and more of
// them than usual, for windows have many shapes. Others are drawn with -rapid.seed=N, and for longer
// with -rapid.checks=100000.
func TestMain(m *testing.M) {
	flag.Parse()
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == "0" {
		seed.Value.Set("7")
	}
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == "100" && !testing.Short() {
		checks.Value.Set("300")
	}
	os.Exit(m.Run())
}
