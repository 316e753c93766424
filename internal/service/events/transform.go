package events

import (
	"encoding/json"
	"strconv"
	"strings"
)

// at follows EventBridge's subset of JSONPath ("$.detail.list[0].x").
func at(event []byte, path string) (json.RawMessage, bool) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, false
	}
	raw := json.RawMessage(event)
	for rest != "" {
		switch {
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			name := rest[1:]
			if end >= 0 {
				name = rest[1 : end+1]
			}
			rest = rest[1+len(name):]
			var m map[string]json.RawMessage
			if json.Unmarshal(raw, &m) != nil || m[name] == nil {
				return nil, false
			}
			raw = m[name]
		case rest[0] == '[':
			inside, after, ok := strings.Cut(rest[1:], "]")
			i, err := strconv.Atoi(inside)
			var list []json.RawMessage
			if !ok || err != nil || json.Unmarshal(raw, &list) != nil || i < 0 || i >= len(list) {
				return nil, false
			}
			raw, rest = list[i], after
		default:
			return nil, false
		}
	}
	return raw, true
}

// transform puts the values of paths, and the predefined ones, in place of <name>. A
// value inside quotes is put without its own.
func transform(template string, paths map[string]string, predefined map[string]json.RawMessage, event []byte) string {
	var out strings.Builder
	for rest := template; rest != ""; {
		before, after, ok := strings.Cut(rest, "<")
		out.WriteString(before)
		name, tail, closed := strings.Cut(after, ">")
		if !ok || !closed {
			if ok {
				out.WriteString("<" + after)
			}
			break
		}
		rest = tail
		value, known := predefined[name]
		if path, own := paths[name]; own {
			known = true
			value, _ = at(event, path)
		}
		if !known {
			out.WriteString("<" + name + ">")
			continue
		}
		var text string
		if json.Unmarshal(value, &text) == nil && strings.Count(out.String(), `"`)%2 == 1 {
			quoted, err := json.Marshal(text)
			if err == nil {
				value = quoted[1 : len(quoted)-1]
			}
		}
		out.Write(value)
	}
	return out.String()
}
