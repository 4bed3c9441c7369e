// Command notice prints the licenses of all modules in the binary. NOTICE is its output:
//
//	go run ./scripts/notice > NOTICE
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

type module struct{ path, version, dir string }

func main() {
	log.SetFlags(0)
	out := &bytes.Buffer{}
	fmt.Fprint(out, "alert-engine contains the software below. Each text is a license or notice "+
		"of the modules above it.\n")
	modules, err := linked()
	if err != nil {
		log.Fatal(err)
	}
	names, texts := map[string][]string{}, []string{}
	for _, m := range modules {
		files, err := licenses(m)
		if err != nil || len(files) == 0 {
			log.Fatalf("%s %s has no license: %v", m.path, m.version, err)
		}
		for _, text := range files {
			if names[text] == nil {
				texts = append(texts, text)
			}
			names[text] = append(names[text], m.path+" "+m.version)
		}
	}
	for _, text := range texts {
		fmt.Fprintf(out, "\n%s\n\n%s\n\n%s\n", strings.Repeat("=", 80),
			strings.Join(names[text], "\n"), text)
	}
	if _, err := out.WriteTo(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// linked are the modules of all platforms that are released, but our own.
func linked() ([]module, error) {
	found := map[string]module{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "list", "-deps", "-f",
			"{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}",
			"./cmd/alert-engine")
		cmd.Env, cmd.Stderr = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0"), os.Stderr
		text, err := cmd.Output()
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
				found[f[0]] = module{f[0], f[1], f[2]}
			}
		}
	}
	var list []module
	for _, m := range found {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b module) int { return cmp.Compare(a.path, b.path) })
	return list, nil
}

// licenses are the texts of a module's licenses and notices.
func licenses(m module) (texts []string, err error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") &&
			!strings.HasPrefix(name, "NOTICE") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
	}
	return texts, nil
}
