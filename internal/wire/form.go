package wire

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// formNode is a form's parameters as a tree: "Filter.1.Value.2" is four levels.
type formNode struct {
	value    string
	isSet    bool
	children map[string]*formNode
}

// Bounds of a form: parameters come from outside.
const (
	maxDepth    = 24
	maxElements = 10000
)

func formTree(form url.Values) *formNode {
	root := &formNode{}
	for name, values := range form {
		if strings.Count(name, ".") > maxDepth {
			continue // no operation has such a parameter
		}
		n := root
		for part := range strings.SplitSeq(name, ".") {
			if n.children == nil {
				n.children = map[string]*formNode{}
			}
			child := n.children[part]
			if child == nil {
				child = &formNode{}
				n.children[part] = child
			}
			n = child
		}
		n.value, n.isSet = values[0], true
	}
	return root
}

// items are the numbered children in order, whatever name stands between the list
// and the number ("member", "SubnetIdentifier", or none).
func (n *formNode) items() []*formNode {
	var numbers []int
	for name := range n.children {
		if i, err := strconv.Atoi(name); err == nil {
			numbers = append(numbers, i)
		}
	}
	if len(numbers) == 0 {
		for _, child := range n.children {
			if got := child.items(); len(got) > 0 {
				return got
			}
		}
		return nil
	}
	slices.Sort(numbers)
	out := make([]*formNode, 0, len(numbers))
	for _, i := range numbers[:min(len(numbers), maxElements)] {
		out = append(out, n.children[strconv.Itoa(i)])
	}
	return out
}

// decodeForm fills the input from a form. Parameters that the input does not have
// are ignored: newer clients send them.
func decodeForm(in any, form url.Values, ec2 bool) *refusal {
	return decodeNode(reflect.ValueOf(in).Elem(), formTree(form), model.Tag{}, ec2)
}

func decodeNode(v reflect.Value, n *formNode, tag model.Tag, ec2 bool) *refusal {
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if f := decodeNode(p.Elem(), n, tag, ec2); f != nil {
			return f
		}
		v.Set(p)
		return nil
	case reflect.Struct:
		if v.Type() == timeType {
			return scalar(v, n.value, tag)
		}
		return decodeStruct(v, n, ec2)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return scalar(v, n.value, tag)
		}
		items := n.items()
		list := reflect.MakeSlice(v.Type(), len(items), len(items))
		for i, item := range items {
			if f := decodeNode(list.Index(i), item, tag, ec2); f != nil {
				return f
			}
		}
		v.Set(list)
		return nil
	case reflect.Map:
		return decodeMap(v, n, tag, ec2)
	}
	return scalar(v, n.value, tag)
}

func decodeStruct(v reflect.Value, n *formNode, ec2 bool) *refusal {
	for i := range v.NumField() {
		tag := model.ParseTag(v.Type().Field(i).Tag)
		name := tag.Name
		if ec2 {
			if name = tag.Q; name == "" {
				name = strings.ToUpper(tag.Name[:1]) + tag.Name[1:]
			}
		}
		child := n.children[name]
		if child == nil {
			continue
		}
		tag.Name = name
		if f := decodeNode(v.Field(i), child, tag, ec2); f != nil {
			return f
		}
	}
	return nil
}

func decodeMap(v reflect.Value, n *formNode, tag model.Tag, ec2 bool) *refusal {
	m := reflect.MakeMap(v.Type())
	key, value := "key", "value"
	if tag.Key != "" {
		key = tag.Key
	}
	if tag.Value != "" {
		value = tag.Value
	}
	for _, item := range n.items() {
		k, e := item.children[key], reflect.New(v.Type().Elem()).Elem()
		if k == nil {
			continue
		}
		if val := item.children[value]; val != nil {
			if f := decodeNode(e, val, tag, ec2); f != nil {
				return f
			}
		}
		m.SetMapIndex(reflect.ValueOf(k.value), e)
	}
	v.Set(m)
	return nil
}

var timeType = reflect.TypeFor[op.Time]()

// scalar reads one value from its text.
func scalar(v reflect.Value, s string, tag model.Tag) *refusal {
	wrong := func(kind string) *refusal {
		return &refusal{kind: badValue, detail: fmt.Sprintf("The value %q of %s is not %s", s, tag.Name, kind)}
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(s))
		if err != nil {
			return wrong("true or false")
		}
		v.SetBool(b)
	case reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			return wrong("an integer")
		}
		v.SetInt(i)
	case reflect.Float64, reflect.Float32:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return wrong("a number")
		}
		v.SetFloat(f)
	case reflect.Slice:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return wrong("base64")
		}
		v.SetBytes(b)
	case reflect.Struct:
		var t op.Time
		if err := t.UnmarshalText([]byte(s)); err != nil {
			return wrong("a timestamp")
		}
		v.Set(reflect.ValueOf(t))
	}
	return nil
}
