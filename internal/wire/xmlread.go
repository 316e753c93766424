package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
)

// xmlNode is an element with its children in order.
type xmlNode struct {
	name     string
	attrs    []xml.Attr
	text     strings.Builder
	children []*xmlNode
}

var errTooDeep = errors.New("the XML is nested too deeply")

// parseXML reads a document into a tree; entities beyond XML's own are refused by
// the decoder, so that none can expand.
func parseXML(b []byte) (*xmlNode, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	root := &xmlNode{}
	stack := []*xmlNode{root}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			if len(root.children) != 1 {
				return nil, errors.New("the XML has no single root element")
			}
			return root.children[0], nil
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return nil, errTooDeep
			}
			n := &xmlNode{name: t.Name.Local, attrs: t.Attr}
			top.children = append(top.children, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text.Write(t)
		}
	}
}

func (n *xmlNode) named(name string) (out []*xmlNode) {
	for _, c := range n.children {
		if c.name == name {
			out = append(out, c)
		}
	}
	return out
}

// decodeXML fills v from an element.
func decodeXML(v reflect.Value, n *xmlNode, tag model.Tag) *refusal {
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if f := decodeXML(p.Elem(), n, tag); f != nil {
			return f
		}
		v.Set(p)
		return nil
	case reflect.Struct:
		if v.Type() != timeType {
			return decodeElements(v, n)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			item := tag.Item
			if item == "" {
				item = "member"
			}
			return decodeItems(v, n.named(item), tag)
		}
	}
	return scalar(v, strings.TrimSpace(n.text.String()), tag)
}

func decodeItems(v reflect.Value, items []*xmlNode, tag model.Tag) *refusal {
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, n := range items {
		if f := decodeXML(list.Index(i), n, tag); f != nil {
			return f
		}
	}
	v.Set(list)
	return nil
}

func decodeElements(v reflect.Value, n *xmlNode) *refusal {
	for i := range v.NumField() {
		field := v.Field(i)
		tag := model.ParseTag(v.Type().Field(i).Tag)
		if !tag.InBody() {
			continue
		}
		if tag.Attr {
			for _, a := range n.attrs {
				if a.Name.Local == tag.Name[strings.IndexByte(tag.Name, ':')+1:] {
					if f := decodeXML(field, &xmlNode{}, tag); f != nil {
						return f
					}
					field.Set(reflect.ValueOf(&a.Value))
				}
			}
			continue
		}
		if tag.Flat && field.Kind() == reflect.Slice {
			name := tag.Name
			if items := n.named(name); len(items) > 0 {
				if f := decodeItems(field, items, tag); f != nil {
					return f
				}
			}
			continue
		}
		if found := n.named(tag.Name); len(found) > 0 {
			if f := decodeXML(field, found[0], tag); f != nil {
				return f
			}
		}
	}
	return nil
}
