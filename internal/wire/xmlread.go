package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/penstock-ci/penstock/internal/model"
)

// element is a parsed XML element; namespaces are not looked at, as S3 does.
type element struct {
	name  string
	attrs map[string]string
	text  []byte
	below []*element
}

// parseXML reads one document with bounds on its depth; its size is bounded already.
func parseXML(body []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var root *element
	var stack []*element
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			e := &element{name: t.Name.Local, attrs: map[string]string{}}
			for _, a := range t.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			switch {
			case len(stack) > maxDepth:
				return nil, errors.New("XML is nested too deeply")
			case len(stack) > 0:
				up := stack[len(stack)-1]
				up.below = append(up.below, e)
			case root != nil:
				return nil, errors.New("XML has two roots")
			default:
				root = e
			}
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text = append(stack[len(stack)-1].text, t...)
			}
		}
	}
	if root == nil {
		return nil, errors.New("XML has no element")
	}
	return root, nil
}

// xmlReader reads an element into a structure.
type xmlReader struct{ layouts *layouts }

func (x *xmlReader) structure(e *element, v reflect.Value) error {
	for _, f := range x.layouts.of(v.Type()) {
		if !f.InBody() {
			continue
		}
		if err := x.member(e, v.Field(f.index), f.Tag); err != nil {
			return fmt.Errorf("element %s: %w", f.Name, err)
		}
	}
	return nil
}

func (x *xmlReader) member(parent *element, v reflect.Value, tag model.Tag) error {
	if tag.Attr {
		if s, ok := parent.attrs[local(tag.Name)]; ok {
			return setScalar(v, s)
		}
		return nil
	}
	name := tag.Name
	if tag.Flat && tag.Item != "" {
		name = tag.Item
	}
	var found []*element
	for _, e := range parent.below {
		if e.name == name {
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		return nil
	}
	kind := v.Type()
	switch {
	case isScalar(kind):
		return setScalar(v, string(found[0].text))
	case kind.Kind() == reflect.Pointer:
		p := reflect.New(kind.Elem())
		v.Set(p)
		return x.structure(found[0], p.Elem())
	case kind.Kind() == reflect.Slice:
		if !tag.Flat {
			found = found[0].below
		}
		return x.list(found, v)
	}
	return fmt.Errorf("maps are not read from XML (%s)", kind) // no operation of S3 sends one
}

func (x *xmlReader) list(items []*element, v reflect.Value) error {
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, e := range items {
		item := out.Index(i)
		var err error
		switch {
		case isScalar(item.Type()):
			err = setScalar(item, string(e.text))
		case item.Kind() == reflect.Struct:
			err = x.structure(e, item)
		default:
			err = fmt.Errorf("lists of %s are not read from XML", item.Type())
		}
		if err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// local is an attribute's name without its prefix: type of xsi:type.
func local(name string) string {
	for i := range name {
		if name[i] == ':' {
			return name[i+1:]
		}
	}
	return name
}
