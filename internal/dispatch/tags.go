package dispatch

import "reflect"

// requestTags reads aws:RequestTag/K and aws:TagKeys out of an input's Tags
// member, the one member that means the same in every service.
func requestTags(in any) map[string][]string {
	v := reflect.Indirect(reflect.ValueOf(in))
	if v.Kind() != reflect.Struct {
		return nil
	}
	tags := v.FieldByName("Tags")
	switch tags.Kind() {
	case reflect.Map:
		return mapTags(tags)
	case reflect.Slice:
		return listTags(tags)
	}
	return nil
}

func mapTags(tags reflect.Value) map[string][]string {
	if tags.Type().Key().Kind() != reflect.String {
		return nil
	}
	facts := map[string][]string{}
	for it := tags.MapRange(); it.Next(); {
		if s, ok := text(it.Value()); ok {
			add(facts, it.Key().String(), s)
		}
	}
	return facts
}

// listTags takes items {Key, Value} and ECS's {key, value}: both are Go fields Key and Value.
func listTags(tags reflect.Value) map[string][]string {
	facts := map[string][]string{}
	for i := range tags.Len() {
		item := reflect.Indirect(tags.Index(i))
		if item.Kind() != reflect.Struct {
			return facts
		}
		k, okKey := text(item.FieldByName("Key"))
		v, _ := text(item.FieldByName("Value"))
		if okKey {
			add(facts, k, v)
		}
	}
	return facts
}

func add(facts map[string][]string, key, value string) {
	facts["aws:RequestTag/"+key] = []string{value}
	facts["aws:TagKeys"] = append(facts["aws:TagKeys"], key)
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
