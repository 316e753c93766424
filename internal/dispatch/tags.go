package dispatch

import "reflect"

// given are the condition keys of one input; the map is made by the first.
type given struct{ keys map[string][]string }

func (g *given) set(key string, values []string) {
	if g.keys == nil {
		g.keys = map[string][]string{}
	}
	g.keys[key] = values
}

// tagged reads aws:RequestTag/K and aws:TagKeys out of the members of an input that
// mean the same in every service: Tags, EC2's TagSpecifications, and the TagKeys of
// what takes tags away.
func (g *given) tagged(in any) {
	v := reflect.Indirect(reflect.ValueOf(in))
	if v.Kind() != reflect.Struct {
		return
	}
	g.tags(v.FieldByName("Tags"))
	if specs := v.FieldByName("TagSpecifications"); specs.Kind() == reflect.Slice {
		for i := range specs.Len() {
			g.tags(specs.Index(i).FieldByName("Tags"))
		}
	}
	if names := v.FieldByName("TagKeys"); names.IsValid() {
		if list, ok := names.Interface().([]string); ok && len(list) > 0 {
			g.set("aws:TagKeys", list)
		}
	}
}

// tags takes a map, or a list of items {Key, Value} or ECS's {key, value}: both are
// Go fields Key and Value.
func (g *given) tags(tags reflect.Value) {
	switch tags.Kind() {
	case reflect.Map:
		for it := tags.MapRange(); it.Next(); {
			if s, ok := text(it.Value()); ok {
				g.tag(it.Key().String(), s) // every map named Tags has strings for keys
			}
		}
	case reflect.Slice:
		for i := range tags.Len() {
			item := reflect.Indirect(tags.Index(i))
			if item.Kind() != reflect.Struct {
				return
			}
			k, okKey := text(item.FieldByName("Key"))
			v, _ := text(item.FieldByName("Value"))
			if okKey {
				g.tag(k, v)
			}
		}
	}
}

func (g *given) tag(key, value string) {
	g.set("aws:RequestTag/"+key, []string{value})
	g.set("aws:TagKeys", append(g.keys["aws:TagKeys"], key))
}

func text(v reflect.Value) (string, bool) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.String {
		return "", false
	}
	return v.String(), true
}
