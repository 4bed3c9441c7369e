package problem

import (
	"regexp"
	"strconv"
	"strings"
)

// yamlLine finds the places in a text of the YAML packages. They have no types for what is wrong,
// and state places in their texts alone.
var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// YAML is what the YAML packages say about a file, one mistake for each line that they name. The
// column is unknown, and so is the line of a mistake for which they name none.
func YAML(file string, err error) List {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var list List
	for _, m := range yamlLine.FindAllStringSubmatch(text, -1) {
		e := New(Pos{File: file}, "", "%s", m[2])
		e.Pos.Line, _ = strconv.Atoi(m[1])
		list = append(list, e)
	}
	if list == nil {
		list = List{New(Pos{File: file}, "", "%s", text)}
	}
	return list
}
