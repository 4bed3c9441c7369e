package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// All JSON that commands print goes through the encoder that hides nothing, or through safetext.
func TestCommandsPrintJSONThroughOneEncoder(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") || file == "main.go" {
			continue
		}
		encodes := strings.Contains(string(text), "json.NewEncoder(") ||
			strings.Contains(string(text), "json.Marshal")
		if encodes && !strings.Contains(string(text), "safetext.JSON(") {
			t.Errorf("%s writes JSON by itself; newJSONEncoder shows hidden characters", file)
		}
	}
}
