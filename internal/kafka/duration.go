package kafka

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

// jsonDuration is written like "1s"; a number is nanoseconds.
type jsonDuration time.Duration

func (d jsonDuration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

func (d *jsonDuration) UnmarshalJSON(text []byte) error {
	var n int64
	if err := json.Unmarshal(text, &n); err == nil {
		*d = jsonDuration(n)
		return nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is not a duration; try \"1s\"", text)
	}
	parsed, err := duration.Parse(strings.TrimPrefix(s, "-"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(s, "-") {
		parsed = -parsed
	}
	*d = jsonDuration(parsed)
	return nil
}

// fromYAML reads a value by way of JSON, so that names and durations are the same in both.
func fromYAML(unmarshal func(any) error, into json.Unmarshaler) error {
	var v any
	if err := unmarshal(&v); err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return into.UnmarshalJSON(text)
}

// toYAML is the value as it stands in JSON.
func toYAML(from json.Marshaler) (any, error) {
	text, err := from.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var v map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	return withIntegers(v), nil
}

// withIntegers makes integers of the numbers, of which the configurations have no others.
func withIntegers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = withIntegers(v[k])
		}
	case json.Number:
		n, err := v.Int64()
		if err == nil {
			return n
		}
	}
	return v
}
