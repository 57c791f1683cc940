package docker

// object is a JSON object as the engine sent it. Working on objects, and not on
// the client's structs, is what lets a setting survive that this build has never
// heard of. Numbers stay as they were written (json.Number).
type object map[string]any

// object returns the member of that name, nil where it is something else or
// missing. It is the member itself: what is written to it is written to o.
func (o object) object(key string) object {
	switch member := o[key].(type) {
	case map[string]any:
		return member
	case object:
		return member
	}
	return nil
}

func (o object) text(key string) string {
	text, _ := o[key].(string)
	return text
}

func (o object) list(key string) []any {
	list, _ := o[key].([]any)
	return list
}

// texts returns the strings of a list, in their order.
func (o object) texts(key string) []string { return texts(o.list(key)) }

func texts(list []any) []string {
	var all []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// objects returns the objects of a list, in their order.
func (o object) objects(key string) []object {
	var all []object
	for _, item := range o.list(key) {
		switch member := item.(type) {
		case map[string]any:
			all = append(all, member)
		case object:
			all = append(all, member)
		}
	}
	return all
}

// clone copies the object, all that is below it included.
func (o object) clone() object {
	if o == nil {
		return object{}
	}
	return cloned(map[string]any(o)).(map[string]any)
}

func cloned(value any) any {
	switch value := value.(type) {
	case object:
		return cloned(map[string]any(value))
	case map[string]any:
		copied := make(map[string]any, len(value))
		for key, member := range value {
			copied[key] = cloned(member)
		}
		return copied
	case []any:
		if value == nil {
			return nil
		}
		copied := make([]any, len(value))
		for i, item := range value {
			copied[i] = cloned(item)
		}
		return copied
	}
	return value
}

// list makes a JSON list of strings, nil of none.
func list(texts []string) []any {
	var all []any
	for _, text := range texts {
		all = append(all, text)
	}
	return all
}

// blank tells whether a value says nothing: missing, or an empty text, list or
// object. A number or a flag always says something.
func blank(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	case object:
		return len(value) == 0
	}
	return false
}
