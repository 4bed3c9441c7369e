package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// instance is the name of this static member of the consumer group, "" for a dynamic member. It is
// kept beside the state: a process that starts with this state gets the partitions of the previous
// one at once, without waiting for its session timeout.
func instance(c *Config) (string, error) {
	switch c.Kafka.InstanceID {
	case "":
	case "none":
		return "", nil
	default:
		return c.Kafka.InstanceID, nil
	}
	return self(c)
}

// self is a random name, generated once and kept beside the state.
func self(c *Config) (string, error) {
	file := filepath.Join(string(c.DataDir), "instance-id")
	text, err := os.ReadFile(file)
	if err == nil && len(strings.TrimSpace(string(text))) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the instance ID: %w", err)
	}
	id := "alert-engine-" + strings.ToLower(rand.Text())
	if err := os.WriteFile(file, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the instance ID: %w", err)
	}
	return id, nil
}

// exclusive is why this process must be the only member of its group, nil if it has not: each rule
// counts the logs of all partitions.
func (p *process) exclusive() error {
	var names []string
	for _, r := range p.set.Load().Rules {
		if r.Mode != rule.Off {
			names = append(names, r.ID())
		}
	}
	if len(names) == 0 {
		return nil
	}
	const most = 3
	if more := len(names) - most; more > 0 {
		names = append(names[:most], safetext.CountOf(more, "other"))
	}
	return fmt.Errorf("rule %s needs the logs of all partitions; set cluster.enabled to share them",
		strings.Join(names, ", "))
}
