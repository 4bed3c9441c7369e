package app

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"
)

// manifest is what a manifest of packaging/kubernetes says about a process: its configuration, and
// its environment in a pod.
type manifest struct {
	config string
	env    map[string]string
}

func readManifest(t *testing.T, file, pod string) (m manifest) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m.env = map[string]string{}
	for in := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var one struct {
			Kind string
			Data map[string]string
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Env []struct {
								Name, Value string
								ValueFrom   struct {
									FieldRef struct {
										FieldPath string `yaml:"fieldPath"`
									} `yaml:"fieldRef"`
								} `yaml:"valueFrom"`
							}
						}
					}
				}
			}
		}
		if err := in.Decode(&one); errors.Is(err, io.EOF) {
			return m
		} else if err != nil && one.Kind == "" {
			t.Fatalf("%s: %v", file, err)
		}
		if config := one.Data["alert-engine.yml"]; config != "" {
			m.config = config
		}
		for _, c := range one.Spec.Template.Spec.Containers {
			for _, e := range c.Env {
				if m.env[e.Name] = e.Value; e.ValueFrom.FieldRef.FieldPath == "metadata.name" {
					m.env[e.Name] = pod
				}
			}
		}
	}
}

// The configuration in a manifest is one that the program takes, and each pod is a static member
// under its own name.
func TestManifestsAreRead(t *testing.T) {
	files, err := filepath.Glob("../../packaging/kubernetes/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		for _, pod := range []string{"alert-engine-0", "alert-engine-1"} {
			m := readManifest(t, file, pod)
			path := filepath.Join(t.TempDir(), "alert-engine.yml")
			if err := os.WriteFile(path, []byte(m.config), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := LoadConfig(path, func(name string) string { return m.env[name] }, nil)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if got, err := instance(c); got != pod || err != nil {
				t.Errorf("%s: the pod %s is the member %q (%v)", file, pod, got, err)
			}
			if want := filepath.Base(file) == "cluster.yaml"; c.Cluster.Enabled != want {
				t.Errorf("%s: cluster.enabled is %v", file, c.Cluster.Enabled)
			}
		}
	}
}
