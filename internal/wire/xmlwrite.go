package wire

import (
	"bytes"
	"encoding/xml"
	"reflect"
	"slices"

	"github.com/penstock-ci/penstock/internal/model"
)

// xmlWriter writes outputs as XML in the manner of the query, EC2 and REST
// protocols. Absent members are left out; empty lists are empty elements.
type xmlWriter struct {
	bytes.Buffer
	layouts *layouts
	item    string // of lists: "member", EC2 "item"
}

func (w *xmlWriter) open(name, ns string) {
	w.WriteByte('<')
	w.WriteString(name)
	if ns != "" {
		w.WriteString(` xmlns="`)
		w.text(ns)
		w.WriteByte('"')
	}
	w.WriteByte('>')
}

func (w *xmlWriter) close(name string) {
	w.WriteString("</")
	w.WriteString(name)
	w.WriteByte('>')
}

func (w *xmlWriter) element(name, text string) {
	w.open(name, "")
	w.text(text)
	w.close(name)
}

// text writes escaped text; what XML cannot carry becomes U+FFFD.
func (w *xmlWriter) text(s string) {
	_ = xml.EscapeText(&w.Buffer, []byte(s)) // a bytes.Buffer takes everything
}

// structure writes the body's members of v.
func (w *xmlWriter) structure(v reflect.Value) {
	for _, f := range w.layouts.of(v.Type()) {
		if f.InBody() && !f.Attr {
			w.member(f.Name, v.Field(f.index), f.Tag)
		}
	}
}

func (w *xmlWriter) member(name string, v reflect.Value, tag model.Tag) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if v.IsNil() {
			return
		}
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch {
	case isScalar(v.Type()):
		w.element(name, scalar(v, tag.Time))
	case v.Kind() == reflect.Struct:
		w.start(name, v, tag)
		w.structure(v)
		w.close(name)
	case v.Kind() == reflect.Slice:
		w.list(name, v, tag)
	case v.Kind() == reflect.Map:
		w.dictionary(name, v, tag)
	}
}

// start opens a structure's element with its namespace and attributes.
func (w *xmlWriter) start(name string, v reflect.Value, tag model.Tag) {
	w.WriteString("<" + name)
	if tag.Namespace != "" {
		w.WriteString(" xmlns")
		if tag.Prefix != "" {
			w.WriteString(":" + tag.Prefix)
		}
		w.WriteString(`="`)
		w.text(tag.Namespace)
		w.WriteByte('"')
	}
	for _, f := range w.layouts.of(v.Type()) {
		if a := v.Field(f.index); f.Attr && !a.IsNil() {
			w.WriteString(" " + f.Name + `="`)
			w.text(scalar(a, ""))
			w.WriteByte('"')
		}
	}
	w.WriteByte('>')
}

func (w *xmlWriter) list(name string, v reflect.Value, tag model.Tag) {
	item := or(tag.Item, w.item)
	if tag.Flat {
		item = or(tag.Item, name)
	} else {
		w.open(name, "")
	}
	for i := range v.Len() {
		w.member(item, v.Index(i), model.Tag{Time: tag.Time})
	}
	if !tag.Flat {
		w.close(name)
	}
}

func (w *xmlWriter) dictionary(name string, v reflect.Value, tag model.Tag) {
	entry := "entry"
	if tag.Flat {
		entry = name
	} else {
		w.open(name, "")
	}
	keys := make([]string, 0, v.Len())
	for _, k := range v.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	for _, k := range keys {
		w.open(entry, "")
		w.element(or(tag.Key, "key"), k)
		w.member(or(tag.Value, "value"), v.MapIndex(reflect.ValueOf(k)), model.Tag{})
		w.close(entry)
	}
	if !tag.Flat {
		w.close(name)
	}
}
