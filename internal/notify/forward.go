package notify

// target is an Alertmanager of the user's own.
type target struct{}

func newTargets(Options) ([]*target, error) { return nil, nil }
