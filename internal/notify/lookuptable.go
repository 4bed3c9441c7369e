package notify

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unique"

	"github.com/prometheus/common/model"
)

// Table is a table of the values of a compacted topic. Set replaces its rows, while any number of
// goroutines look them up.
type Table struct {
	by      []string
	current atomic.Pointer[tableRows]

	mu     sync.Mutex // guards what follows
	values map[string]string
	parsed map[string]*tableRow // by the key of the value
}

// tableRows are the rows that are looked up.
type tableRows struct {
	columns []string             // "" where there is none any more
	rows    map[string]*tableRow // by rowKey
}

// tableRow is a value that was parsed. Equal cells of all tables share their memory.
type tableRow struct {
	key     string // rowKey of the labels that it is found by
	columns uint32 // a bit for each column that it has
	cells   []unique.Handle[string]
	refused RefusedRow // why it is no row; "" for a row
	cut     bool       // it has columns over maxColumns
}

// RefusedRow is why a value is not a row of a table, or not all of one.
type RefusedRow string

const (
	RefusedNoObject  RefusedRow = "no_object" // it is not one JSON object
	RefusedNoLabel   RefusedRow = "no_label"  // it lacks a label that rows are found by
	RefusedDuplicate RefusedRow = "duplicate" // a row of another key has the same labels
	RefusedColumns   RefusedRow = "columns"   // it is a row without some of its columns
)

// maxColumns bounds the columns of a table, besides the labels that rows are found by.
const maxColumns = 32

// NewTable makes an empty table, whose rows are found by some labels.
func NewTable(by []string) *Table { return &Table{by: by} }

// Set gives the table the newest value of each key; values must not change afterwards. A value is a
// JSON object whose fields are the columns; texts, numbers and booleans count. Fields that cannot
// be labels, and those after the first 32 of the table, are left out; a row that comes later takes
// no column from the others. With a single label to find rows by, the key is the value of that
// label, unless the object has a field of its name. Of rows with the same labels the one counts
// whose key sorts first. Set returns how many values are refused.
func (t *Table) Set(values map[string]string) map[RefusedRow]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	var columns []string
	if now := t.current.Load(); now != nil {
		columns = slices.Clone(now.columns)
	}
	keys := slices.Sorted(maps.Keys(values))
	parsed, cut := t.parse(keys, values, &columns)
	if len(cut) > 0 && freeColumns(columns, parsed) {
		for _, key := range cut {
			parsed[key] = t.row(key, values[key], &columns)
		}
	}
	t.values, t.parsed = values, parsed
	next := &tableRows{columns: columns, rows: make(map[string]*tableRow, len(parsed))}
	refused := map[RefusedRow]int{}
	for _, key := range keys {
		row := parsed[key]
		switch {
		case row.refused != "":
			refused[row.refused]++
			continue
		case next.rows[row.key] != nil:
			refused[RefusedDuplicate]++
			continue
		case row.cut:
			refused[RefusedColumns]++
		}
		next.rows[row.key] = row
	}
	t.current.Store(next)
	return refused
}

// parse parses the values that are others than before, and returns the keys of those that lack
// columns.
func (t *Table) parse(
	keys []string, values map[string]string, columns *[]string,
) (parsed map[string]*tableRow, cut []string) {
	parsed = make(map[string]*tableRow, len(keys))
	for _, key := range keys {
		row := t.parsed[key]
		if row == nil || t.values[key] != values[key] {
			row = t.row(key, values[key], columns)
		}
		parsed[key] = row
		if row.cut {
			cut = append(cut, key)
		}
	}
	return parsed, cut
}

// freeColumns makes room where there are columns that no row has any more. The other columns keep
// their places, and thus their rows.
func freeColumns(columns []string, rows map[string]*tableRow) (freed bool) {
	var used uint32
	for _, row := range rows {
		used |= row.columns
	}
	for at := range columns {
		if used&(1<<at) == 0 {
			columns[at], freed = "", true
		}
	}
	return freed
}

// row parses a value.
func (t *Table) row(key, value string, columns *[]string) *tableRow {
	fields, ok := objectFields(value)
	if !ok {
		return &tableRow{refused: RefusedNoObject}
	}
	if len(t.by) == 1 && fields[t.by[0]] == "" {
		fields[t.by[0]] = key
	}
	if slices.ContainsFunc(t.by, func(name string) bool { return fields[name] == "" }) {
		return &tableRow{refused: RefusedNoLabel}
	}
	row := &tableRow{key: t.key(fields)}
	var cells [maxColumns]unique.Handle[string]
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] == "" || slices.Contains(t.by, name) || !isColumn(name) {
			continue
		}
		at := slices.Index(*columns, name)
		if at < 0 {
			if at = columnFor(columns, name); at < 0 {
				row.cut = true
				continue
			}
		}
		row.columns |= 1 << at
		cells[at] = unique.Make(fields[name])
	}
	for at := range len(*columns) {
		if row.columns&(1<<at) != 0 {
			row.cells = append(row.cells, cells[at])
		}
	}
	row.cells = slices.Clip(row.cells)
	return row
}

// columnFor gives a new column a place, and returns -1 when there is none.
func columnFor(columns *[]string, name string) int {
	at := slices.Index(*columns, "")
	switch {
	case at >= 0:
		(*columns)[at] = strings.Clone(name)
	case len(*columns) < maxColumns:
		at = len(*columns)
		*columns = append(*columns, strings.Clone(name))
	}
	return at
}

// isColumn reports whether a name, which the writers of the topic choose, can be one of a label.
func isColumn(name string) bool {
	return model.LegacyValidation.IsValidLabelName(name) && !strings.HasPrefix(name, "__")
}

func objectFields(value string) (fields map[string]string, ok bool) {
	in := json.NewDecoder(strings.NewReader(value))
	in.UseNumber()
	var object map[string]any
	if in.Decode(&object) != nil || object == nil {
		return nil, false
	}
	if _, err := in.Token(); err != io.EOF {
		return nil, false
	}
	fields = make(map[string]string, len(object))
	for name, v := range object {
		switch v := v.(type) {
		case string:
			fields[name] = v
		case json.Number:
			fields[name] = v.String()
		case bool:
			fields[name] = strconv.FormatBool(v)
		}
	}
	return fields, true
}

func (t *Table) key(labels map[string]string) string {
	return rowKey(len(t.by), func(i int) string { return labels[t.by[i]] })
}

// find calls each with the columns of the row that the labels find.
func (t *Table) find(labels map[string]string, each func(column, value string)) {
	now := t.current.Load()
	if now == nil {
		return
	}
	row := now.rows[t.key(labels)]
	if row == nil {
		return
	}
	next := 0
	for at, column := range now.columns {
		if row.columns&(1<<at) != 0 {
			each(column, row.cells[next].Value())
			next++
		}
	}
}

// Rows is how many rows there are.
func (t *Table) Rows() int {
	if now := t.current.Load(); now != nil {
		return len(now.rows)
	}
	return 0
}
