package wire

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
)

// Limits of a query request: AWS's own largest lists have a few hundred items.
const (
	maxParameters = 10000
	maxDepth      = 24
)

// branch is a parameter with the parameters below its name: A.member.1.B.
type branch struct {
	value string
	below map[string]*branch
}

// grow makes the tree of a form.
func grow(form url.Values) (*branch, error) {
	if len(form) > maxParameters {
		return nil, fmt.Errorf("more than %d parameters", maxParameters)
	}
	root := &branch{}
	for name, values := range form {
		if strings.Count(name, ".") > maxDepth {
			return nil, fmt.Errorf("parameter %.60s… is nested too deeply", name)
		}
		b := root
		for part := range strings.SplitSeq(name, ".") {
			if b.below == nil {
				b.below = map[string]*branch{}
			}
			next := b.below[part]
			if next == nil {
				next = &branch{}
				b.below[part] = next
			}
			b = next
		}
		b.value = values[0]
	}
	return root, nil
}

// formDecoder reads query and EC2 query requests into inputs.
type formDecoder struct {
	layouts *layouts
	ec2     bool
}

// decode fills in, a pointer to a structure. Unknown parameters are ignored.
func (d *formDecoder) decode(form url.Values, in any) error {
	root, err := grow(form)
	if err != nil {
		return err
	}
	return d.structure(root, reflect.ValueOf(in).Elem())
}

func (d *formDecoder) structure(b *branch, v reflect.Value) error {
	for _, f := range d.layouts.of(v.Type()) {
		name := f.Name
		if d.ec2 {
			name = strings.ToUpper(name[:1]) + name[1:]
		}
		if f.Q != "" {
			name = f.Q
		}
		below := b.below[name]
		if below == nil && f.Flat && f.Item != "" {
			below = b.below[f.Item] // a flattened list goes by its item's name
		}
		if below == nil {
			continue
		}
		if err := d.value(below, v.Field(f.index), f.Tag); err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	return nil
}

func (d *formDecoder) value(b *branch, v reflect.Value, tag model.Tag) error {
	t := v.Type()
	switch {
	case isScalar(t):
		if len(b.below) > 0 && b.value == "" {
			return &valueError{"…", "a single value"}
		}
		return setScalar(v, b.value)
	case t.Kind() == reflect.Pointer:
		p := reflect.New(t.Elem())
		v.Set(p)
		return d.structure(b, p.Elem())
	case t.Kind() == reflect.Struct:
		return d.structure(b, v)
	case t.Kind() == reflect.Slice:
		return d.list(b, v)
	}
	return d.dictionary(b, v, tag)
}

// list reads Name.1, Name.member.1 or Name.AnyElement.1.
func (d *formDecoder) list(b *branch, v reflect.Value) error {
	items := b.items()
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if err := d.value(item, out.Index(i), model.Tag{}); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// items are the numbered branches in order, below an element's name if there is one.
func (b *branch) items() []*branch {
	type numbered struct {
		n int
		b *branch
	}
	var found []numbered
	for name, item := range b.below {
		if n, err := strconv.Atoi(name); err == nil {
			found = append(found, numbered{n, item})
		} else if len(b.below) == 1 {
			return item.items()
		}
	}
	slices.SortFunc(found, func(x, y numbered) int { return x.n - y.n })
	out := make([]*branch, len(found))
	for i, f := range found {
		out[i] = f.b
	}
	return out
}

func (d *formDecoder) dictionary(b *branch, v reflect.Value, tag model.Tag) error {
	out := reflect.MakeMap(v.Type())
	for _, e := range b.items() {
		key, value := e.below[or(tag.Key, "key")], e.below[or(tag.Value, "value")]
		if key == nil {
			continue
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if value != nil {
			if err := d.value(value, item, model.Tag{}); err != nil {
				return err
			}
		}
		out.SetMapIndex(reflect.ValueOf(key.value), item)
	}
	v.Set(out)
	return nil
}

func or(s, usual string) string {
	if s != "" {
		return s
	}
	return usual
}
