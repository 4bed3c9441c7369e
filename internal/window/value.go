package window

import (
	"math"
	"strconv"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/number"
)

// Value is the value of a field in an event.
type Value struct {
	Kind Kind
	Num  float64 // of a Number
	// of a Text, and of a Number that was read from one; may be reused once the event is added
	Text []byte
	List []Value // of a List
}

// Kind is what a value is.
type Kind uint8

const (
	Absent Kind = iota
	Number      // has a numeric reading, such as 250, "250" or "250ms"
	Text
	List // several of them
)

// ValueOf is a field of a log as a condition sees it. Texts that read as a number with a unit are
// numbers as well, on the scale of number.Parse, which is that of the constants that fields are
// compared with. It aliases v.
func ValueOf(v decode.Value) Value {
	switch v.Kind {
	case decode.Absent, decode.Null, decode.Object:
		return Value{}
	case decode.Array:
		list := Value{Kind: List}
		v.Each(func(member decode.Value) bool {
			list.List = append(list.List, ValueOf(member))
			return true
		})
		return list
	case decode.Number, decode.String:
		if num, ok := numeric(v.Text); ok {
			return Value{Kind: Number, Num: num, Text: v.Text}
		}
	}
	return Value{Kind: Text, Text: v.Text}
}

// numeric reads a number with or without a unit. Most texts are none, and show it by their first
// byte or their length.
func numeric(text []byte) (float64, bool) {
	if len(text) == 0 || len(text) > 64 || text[0] > '9' && text[0]|0x20 != 'p' {
		return 0, false
	}
	return number.Parse(text)
}

// maxNumber bounds the numbers that are taken for such, so that they can be squared and added up.
const maxNumber = 1e140

// number is the numeric reading of a value, the first one of a list.
func (v Value) number() (float64, bool) {
	for _, member := range v.List {
		if num, ok := member.number(); ok {
			return num, true
		}
	}
	return v.Num, v.Kind == Number && math.Abs(v.Num) < maxNumber
}

// maxText bounds what is kept of a text; longer ones are distinguished by their first bytes only.
const maxText = 512

// separator stands between the members of a list in appendText; in a text itself it is replaced.
const separator = 0

// appendText appends the texts of a value, with a separator between members.
func (v Value) appendText(dst []byte) []byte {
	for _, member := range v.List {
		if len(dst) > 0 && dst[len(dst)-1] != separator {
			dst = append(dst, separator)
		}
		dst = member.appendText(dst)
	}
	switch text := v.Text[:min(len(v.Text), maxText)]; {
	case v.Kind == Number && len(text) == 0:
		return strconv.AppendFloat(dst, v.Num, 'g', -1, 64)
	case v.Kind == Number || v.Kind == Text:
		at := len(dst)
		dst = append(dst, text...)
		for i, c := range dst[at:] {
			if c == separator {
				dst[at+i] = '?'
			}
		}
	}
	return dst
}
