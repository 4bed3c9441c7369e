package docs

import (
	"path/filepath"
	"strings"
	"testing"
)

// The table of the findings names each script once, and each script says with what it was seen.
func TestFindingsTable(t *testing.T) {
	scripts, err := filepath.Glob("../findings/*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	table := read(t, "../findings/README.md")
	for _, file := range scripts {
		name := filepath.Base(file)
		if strings.Count(table, "| ["+name+"]("+name+") |") != 1 {
			t.Errorf("findings/README.md does not name %s once", name)
		}
		text := read(t, file)
		if !strings.Contains(text, "# Seen with ") || !strings.Contains(text, "CHANGED") {
			t.Errorf("%s does not say with what it was seen, or cannot fail", name)
		}
	}
	if rows := strings.Count(table, "\n| ["); rows != len(scripts) {
		t.Errorf("the table has %d rows for %d scripts", rows, len(scripts))
	}
}
