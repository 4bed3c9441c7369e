// Package match finds, among thousands of queries, those that hold for a log, at a cost that hardly
// depends on how many there are.
//
// Eval is the definition of what a query means. An Index is all queries compiled into one, and
// gives the same answers.
package match
