package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// instance is the name under which we are a static member of the consumer group, "" for a dynamic
// member. It is kept beside the state: whoever starts with this state takes over the partitions of
// whoever had it before, at once, and does not wait until the group has given that one up.
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

// self is a name that is drawn once and belongs to the state beside it.
func self(c *Config) (string, error) {
	file := filepath.Join(string(c.DataDir), "instance-id")
	text, err := os.ReadFile(file)
	if err == nil && len(strings.TrimSpace(string(text))) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the name of this member: %w", err)
	}
	id := "alert-engine-" + strings.ToLower(rand.Text())
	if err := os.WriteFile(file, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the name of this member: %w", err)
	}
	return id, nil
}

// alone says why this instance has to be the only one of its group, nil when it need not be.
func (p *program) alone() error {
	spread := p.set.Load().Spread(p.config.Kafka.RecordKey)
	// recorded values are on partitions by rule and all labels, whatever logs are by
	for _, r := range p.set.Load().Rules {
		if topic := p.config.Kafka.RecordsTopic; topic != "" && r.Mode != rule.Off &&
			(r.Source == topic || slices.Contains(r.Sources, topic)) &&
			!slices.Contains(spread, r) {
			spread = append(spread, r)
		}
	}
	if len(spread) == 0 {
		return nil
	}
	names := make([]string, 0, 4)
	for _, r := range spread[:min(3, len(spread))] {
		names = append(names, r.ID())
	}
	if more := len(spread) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d others", more))
	}
	return fmt.Errorf(
		"logs of one group may be on several partitions, by rule %s; kafka.record_key names the fields by which logs are put on partitions, and rules have to group by all of them",
		strings.Join(names, ", "),
	)
}
