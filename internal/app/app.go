// Package app makes a program of the parts: it reads the configuration, starts everything in an
// order in which nothing is missed, reloads rules and routes while logs flow, and stops in the
// reverse order so that nothing is lost. It is the one place where the parts meet; none of them
// knows more than those below it.
//
// Run is the program against somebody's Kafka, Demo the same program against an embedded one to
// which an invented shop writes, Check looks at rule files.
package app
