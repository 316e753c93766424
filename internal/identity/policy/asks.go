package policy

import "strings"

// keys are the condition keys that the statement's decision depends on: those of
// its conditions and those of the variables in its patterns.
func (s *statement) keys() (keys []string) {
	for _, p := range s.resources {
		keys = append(keys, p.keys()...)
	}
	for _, c := range s.conditions {
		keys = append(keys, c.key)
		for _, v := range c.values {
			keys = append(keys, v.keys()...)
		}
	}
	return keys
}

// Asks tells whether a statement on action depends on one of keys; one that ends in a
// slash stands for all that begin with it. What costs a read need not be found out
// where it is false.
func (s Set) Asks(action string, keys []string) bool {
	if len(keys) == 0 {
		return false
	}
	action = strings.ToLower(action)
	for _, docs := range [][]*Document{s.Identity, s.Session, {s.Boundary, s.Resource}} {
		for _, d := range docs {
			if d != nil && d.asks(action, keys) {
				return true
			}
		}
	}
	return false
}

func (d *Document) asks(action string, keys []string) bool {
	for i := range d.statements {
		s := &d.statements[i]
		if s.asksOne(keys) && anyOf(s.actions, nil, false, action) != s.notAction {
			return true
		}
	}
	return false
}

func (s *statement) asksOne(keys []string) bool {
	for _, asked := range s.asks {
		for _, k := range keys {
			if isOf(asked, k) {
				return true
			}
		}
	}
	return false
}

// isOf tells whether a key is the one named, or one of those that the name stands for.
func isOf(key, name string) bool {
	if strings.HasSuffix(name, "/") && len(key) > len(name) {
		key = key[:len(name)]
	}
	return strings.EqualFold(key, name)
}
