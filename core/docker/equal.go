package docker

import (
	"encoding/json"
	"reflect"
)

// idle tells whether a value is what the engine takes for "not said" in a
// healthcheck: nothing, or the number zero.
func idle(value any) bool {
	number, ok := value.(json.Number)
	return blank(value) || ok && number == "0"
}

// equal compares two values of the engine's JSON. Missing and null are the same;
// null and an empty list are not: to some fields they say different things.
func equal(a, b any) bool { return reflect.DeepEqual(plain(a), plain(b)) }

// plain makes every object a map, so that two trees compare by what they say.
func plain(value any) any {
	if o, ok := value.(object); ok {
		return map[string]any(o)
	}
	if list, ok := value.([]any); ok && list == nil {
		return nil
	}
	return value
}
