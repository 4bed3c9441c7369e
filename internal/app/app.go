// Package app is the process: it reads the configuration, starts all parts in order, reloads rules
// and routes while logs are read, and stops the parts in reverse order without losing data. It is
// the one place where the parts meet; no part knows more than those below it.
//
// Run is the process against a Kafka cluster. Demo is the same process against an embedded broker
// with a demo workload. Check checks rule files.
package app
