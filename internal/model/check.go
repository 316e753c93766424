package model

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/penstock-ci/penstock/internal/op"
)

// Check is nil, or the refusal of an input in AWS's words. in is a pointer to one
// of the service's input structures.
func (c *Constraints) Check(in any) *op.Error {
	v := reflect.ValueOf(in)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil
	}
	shape := c.Inputs[v.Elem().Type().Name()]
	if shape == 0 {
		return nil
	}
	k := checker{c: c}
	k.structure(v.Elem(), shape, "")
	return k.refusal()
}

// checker walks one input and gathers what it violates.
type checker struct {
	c     *Constraints
	found []violation
}

type violation struct {
	path   string
	value  string // as printed, quotes included; "" is not printed
	must   string // "Member must not be null"
	kind   kind
	header bool // of S3: travels in a header or the query
}

type kind int

const (
	missing kind = iota
	length
	span
	pattern
	enum
)

func (k *checker) structure(v reflect.Value, shape uint16, path string) {
	for _, m := range k.c.Shapes[shape].Members {
		f := v.FieldByName(m.Field)
		at := strings.ToLower(m.Field[:1]) + m.Field[1:]
		if path != "" {
			at = path + "." + at
		}
		if isAbsent(f) {
			if m.Required {
				k.add(v, m, violation{path: at, value: "null", must: "Member must not be null"})
			}
			continue
		}
		if m.Shape != 0 {
			before := len(k.found)
			k.value(f, m.Shape, at)
			for i := before; i < len(k.found); i++ {
				k.found[i].header = k.found[i].header || isBound(v, m.Field)
			}
		}
	}
}

func (k *checker) add(parent reflect.Value, m Member, v violation) {
	v.header = isBound(parent, m.Field)
	k.found = append(k.found, v)
}

// isBound tells whether a member travels outside the body.
func isBound(parent reflect.Value, field string) bool {
	f, _ := parent.Type().FieldByName(field)
	t := ParseTag(f.Tag)
	return t.Header != "" || t.Query != "" || t.URI != ""
}

func isAbsent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	}
	return false
}

func (k *checker) value(v reflect.Value, shape uint16, path string) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	s := &k.c.Shapes[shape]
	for _, x := range k.violations(v, s, shape) {
		x.path = path
		if !s.Sensitive {
			x.value = "'" + show(v) + "'"
		}
		k.found = append(k.found, x)
	}
	switch v.Kind() {
	case reflect.Struct:
		k.structure(v, shape, path)
	case reflect.Slice:
		if s.Item != 0 {
			k.items(v, s.Item, path)
		}
	case reflect.Map:
		k.entries(v, s, path)
	}
}

// items checks a list: structures member by member, scalars in one sentence about the list.
func (k *checker) items(v reflect.Value, shape uint16, path string) {
	item := &k.c.Shapes[shape]
	for i := range v.Len() {
		e := v.Index(i)
		if e.Kind() == reflect.Struct || e.Kind() == reflect.Slice && e.Type().Elem().Kind() != reflect.Uint8 || e.Kind() == reflect.Map {
			k.value(e, shape, path+"."+strconv.Itoa(i+1)+".member")
			continue
		}
		if x := k.violations(e, item, shape); len(x) > 0 {
			k.found = append(k.found, violation{path: path, value: printed(v, item.Sensitive), must: "Member must satisfy constraint: [" + k.all(item) + "]", kind: x[0].kind})
			return
		}
	}
}

func (k *checker) entries(v reflect.Value, s *Shape, path string) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
	for _, key := range keys {
		if s.Key != 0 && len(k.violations(key, &k.c.Shapes[s.Key], s.Key)) > 0 {
			k.found = append(k.found, violation{path: path, value: printed(v, s.Sensitive), must: "Map keys must satisfy constraint: [" + k.all(&k.c.Shapes[s.Key]) + "]", kind: pattern})
			return
		}
		if s.Value == 0 {
			continue
		}
		e, item := v.MapIndex(key), &k.c.Shapes[s.Value]
		if e.Kind() == reflect.Struct || e.Kind() == reflect.Slice {
			k.value(e, s.Value, path+"."+key.String()+".member")
		} else if len(k.violations(e, item, s.Value)) > 0 {
			k.found = append(k.found, violation{path: path, value: printed(v, item.Sensitive), must: "Map value must satisfy constraint: [" + k.all(item) + "]", kind: pattern})
			return
		}
	}
}

// violations are those of a value's own bounds, pattern and enum.
func (k *checker) violations(v reflect.Value, s *Shape, shape uint16) (found []violation) {
	n, what, kd := int64(0), "length", length
	switch v.Kind() {
	case reflect.String:
		n = int64(utf8.RuneCountInString(v.String()))
	case reflect.Slice, reflect.Map:
		n = int64(v.Len())
	case reflect.Int32, reflect.Int64:
		n, what, kd = v.Int(), "value", span
	case reflect.Float64:
		n, what, kd = int64(v.Float()), "value", span
	default:
		return nil
	}
	if s.HasMax && n > s.Max {
		found = append(found, violation{must: fmt.Sprintf("Member must have %s less than or equal to %d", what, s.Max), kind: kd})
	}
	if s.HasMin && n < s.Min {
		found = append(found, violation{must: fmt.Sprintf("Member must have %s greater than or equal to %d", what, s.Min), kind: kd})
	}
	if v.Kind() != reflect.String {
		return found
	}
	if re := k.c.pattern(shape); re != nil && !re.MatchString(v.String()) {
		found = append(found, violation{must: "Member must satisfy regular expression pattern: " + s.Pattern, kind: pattern})
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v.String()) {
		found = append(found, violation{must: "Member must satisfy enum value set: [" + strings.Join(s.Enum, ", ") + "]", kind: enum})
	}
	return found
}

// all are the constraints of an item, as AWS lists them when one of them is violated.
func (k *checker) all(s *Shape) string {
	var out []string
	if s.HasMax {
		out = append(out, fmt.Sprintf("Member must have length less than or equal to %d", s.Max))
	}
	if s.HasMin {
		out = append(out, fmt.Sprintf("Member must have length greater than or equal to %d", s.Min))
	}
	if s.Pattern != "" {
		out = append(out, "Member must satisfy regular expression pattern: "+s.Pattern)
	}
	if len(s.Enum) > 0 {
		out = append(out, "Member must satisfy enum value set: ["+strings.Join(s.Enum, ", ")+"]")
	}
	return strings.Join(out, ", ")
}

// pattern compiles a shape's pattern at its first use: a start compiles none.
func (c *Constraints) pattern(shape uint16) *regexp.Regexp {
	s := &c.Shapes[shape]
	if s.Pattern == "" || s.Go == "-" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if re := c.patterns[shape]; re != nil {
		return re
	}
	if c.patterns == nil {
		c.patterns = map[uint16]*regexp.Regexp{}
	}
	re := regexp.MustCompile(`\A(?:` + cmp.Or(s.Go, s.Pattern) + `)\z`) // gen compiled it before
	c.patterns[shape] = re
	return re
}

func printed(v reflect.Value, sensitive bool) string {
	if sensitive {
		return ""
	}
	return "'" + show(v) + "'"
}

// show prints a value as the frameworks of AWS do: [a, b] and {k=v}.
func show(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return "java.nio.HeapByteBuffer"
		}
		items := make([]string, v.Len())
		for i := range items {
			items[i] = show(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var items []string
		for _, key := range v.MapKeys() {
			items = append(items, key.String()+"="+show(v.MapIndex(key)))
		}
		slices.Sort(items)
		return "{" + strings.Join(items, ", ") + "}"
	case reflect.Struct:
		return v.Type().Name()
	}
	return fmt.Sprint(v.Interface())
}
