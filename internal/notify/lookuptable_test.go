package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// found is the row of a label g, in the order of its columns.
func found(t *Table, g string) string {
	var list []string
	t.find(map[string]string{"g": g}, func(column, value string) {
		list = append(list, column+"="+value)
	})
	return strings.Join(list, " ")
}

// The values of a topic are rows by their keys or by a field. What is not a row is counted with its
// reason; of rows with the same labels the first key counts.
func TestTable(t *testing.T) {
	table := NewTable([]string{"g"})
	refused := table.Set(map[string]string{
		"a": `{"team":"x","level":3,"on":true,"list":[1],"none":null,"empty":"","bad name":"y"}`,
		"b": `{"g":"c","team":"y"}`,
		"c": `{"team":"z"}`,
		"d": `{"team":"d"} {}`, "e": "", "f": "null", "g": `["a"]`,
	})
	if got := fmt.Sprint(refused); got != "map[duplicate:1 no_object:4]" {
		t.Errorf("refused are %s", got)
	}
	for g, want := range map[string]string{"a": "level=3 on=true team=x", "c": "team=y", "b": ""} {
		if got := found(table, g); got != want {
			t.Errorf("%s finds %q, want %q", g, got, want)
		}
	}
	if table.Rows() != 2 {
		t.Errorf("there are %d rows", table.Rows())
	}
	two := NewTable([]string{"g", "h"})
	refused = two.Set(map[string]string{"1": `{"g":"a","h":"b","x":"1"}`, "a": `{"h":"b"}`})
	if got := fmt.Sprint(refused); got != "map[no_label:1]" || two.Rows() != 1 {
		t.Errorf("refused are %s, of %d rows", got, two.Rows())
	}
}

// A table has 32 columns; the others are left out and counted, and get a place when there is room.
func TestTableColumns(t *testing.T) {
	table := NewTable([]string{"g"})
	values := map[string]string{"a": `{"team":"x"}`}
	for i := range maxColumns + 3 {
		values[fmt.Sprintf("k%02d", i)] = fmt.Sprintf(`{"c%02d":"v"}`, i)
	}
	if got := fmt.Sprint(table.Set(values)); got != "map[columns:4]" {
		t.Errorf("refused are %s", got)
	}
	if found(table, "a") != "team=x" || found(table, "k00") != "c00=v" || found(table, "k34") != "" {
		t.Error("the first columns do not count")
	}
	values = maps.Clone(values)
	for i := range 10 {
		delete(values, fmt.Sprintf("k%02d", i))
	}
	if got := fmt.Sprint(table.Set(values)); got != "map[]" || found(table, "k34") != "c34=v" {
		t.Errorf("with room refused are %s", got)
	}
}

// A row with new columns takes none from the rows that are there, and has none of them parsed
// again. It gets columns that no row has any more.
func TestNewRowTakesNoColumnInUse(t *testing.T) {
	table := NewTable([]string{"g"})
	values := map[string]string{}
	for i := range maxColumns {
		values[fmt.Sprintf("k%02d", i)] = fmt.Sprintf(`{"c%02d":"v"}`, i)
	}
	table.Set(values)
	former := maps.Clone(table.parsed)
	values = maps.Clone(values)
	values["a"] = `{"a1":"x","a2":"x","a3":"x","c05":"x"}`
	values["k00"] = `{"c00":"w"}`
	check := func(refused, a string) {
		t.Helper()
		if got := fmt.Sprint(table.Set(values)); got != refused || found(table, "a") != a {
			t.Errorf("refused are %s, the new row is %q", got, found(table, "a"))
		}
		for key, row := range former {
			if _, ok := values[key]; ok && key != "k00" && table.parsed[key] != row {
				t.Errorf("%s is parsed again", key)
			}
		}
		if found(table, "k00") != "c00=w" || found(table, "k31") != "c31=v" {
			t.Error("a column in use is lost")
		}
	}
	check("map[columns:1]", "c05=x")
	values = maps.Clone(values)
	delete(values, "k30")
	delete(values, "k03")
	check("map[columns:1]", "a1=x c05=x a2=x")
	values = maps.Clone(values)
	delete(values, "k07")
	check("map[]", "a1=x c05=x a3=x a2=x")
}

// A change parses the values that have changed, and rows are small.
func TestTableIsCompact(t *testing.T) {
	table := NewTable([]string{"g"})
	values := map[string]string{}
	for i := range 20_000 {
		values[fmt.Sprint("service-", i)] = fmt.Sprintf(`{"team":"team-%d","severity":"page",`+
			`"runbook_url":"https://runbooks.example.com/%d"}`, i%50, i%50)
	}
	table.Set(values)
	former := maps.Clone(table.parsed)
	values = maps.Clone(values)
	values["service-7"] = `{"team":"new"}`
	table.Set(values)
	var changed []string
	for key, row := range table.parsed {
		if former[key] != row {
			changed = append(changed, key)
		}
	}
	if !slices.Equal(changed, []string{"service-7"}) || found(table, "service-7") != "team=new" {
		t.Errorf("%v are parsed anew", changed)
	}
	if n := table.parsed["service-9"]; cap(n.cells) != 3 {
		t.Errorf("a row has %d cells", cap(n.cells))
	}
}

func BenchmarkTableSet(b *testing.B) {
	values := map[string]string{}
	for i := range 100_000 {
		values[fmt.Sprint("service-", i)] = fmt.Sprintf(`{"team":"team-%d","severity":"page",`+
			`"runbook_url":"https://runbooks.example.com/%d"}`, i%50, i%50)
	}
	b.ReportAllocs()
	for b.Loop() {
		NewTable([]string{"g"}).Set(values)
	}
}
