package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// xmlWriter writes values as AWS's XML protocols have them. item is the default
// name of a list's elements: "member", or "item" of EC2.
type xmlWriter struct {
	bytes.Buffer
	item string
}

func (w *xmlWriter) open(name string, attributes ...string) {
	w.WriteByte('<')
	w.WriteString(name)
	for i := 0; i+1 < len(attributes); i += 2 {
		w.WriteString(" " + attributes[i] + `="`)
		w.escaped(attributes[i+1])
		w.WriteByte('"')
	}
	w.WriteByte('>')
}

func (w *xmlWriter) close(name string) { w.WriteString("</" + name + ">") }

func (w *xmlWriter) escaped(s string) {
	// A buffer takes everything: there is no error to have.
	_ = xml.EscapeText(&w.Buffer, []byte(s))
}

func (w *xmlWriter) leaf(name, text string) {
	w.open(name)
	w.escaped(text)
	w.close(name)
}

// members writes the body members of a structure.
func (w *xmlWriter) members(v reflect.Value) {
	for i := range v.NumField() {
		tag := model.ParseTag(v.Type().Field(i).Tag)
		if tag.InBody() && !tag.Attr {
			w.member(v.Field(i), tag)
		}
	}
}

func (w *xmlWriter) member(v reflect.Value, tag model.Tag) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			w.element(v.Elem(), tag.Name, tag)
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		w.list(v, tag)
	case reflect.Map:
		if !v.IsNil() {
			w.mapping(v, tag)
		}
	default:
		w.element(v, tag.Name, tag)
	}
}

func (w *xmlWriter) list(v reflect.Value, tag model.Tag) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		w.element(v, tag.Name, tag)
		return
	}
	name := tag.Item
	if name == "" {
		name = w.item
	}
	if tag.Flat {
		name = tag.Name
	} else {
		w.open(tag.Name)
		defer w.close(tag.Name)
	}
	for i := range v.Len() {
		w.element(v.Index(i), name, tag)
	}
}

func (w *xmlWriter) mapping(v reflect.Value, tag model.Tag) {
	key, value, entry := "key", "value", "entry"
	if tag.Key != "" {
		key = tag.Key
	}
	if tag.Value != "" {
		value = tag.Value
	}
	if tag.Flat {
		entry = tag.Name
	} else {
		w.open(tag.Name)
		defer w.close(tag.Name)
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		w.open(entry)
		w.leaf(key, k.String())
		w.element(v.MapIndex(k), value, tag)
		w.close(entry)
	}
}

func (w *xmlWriter) element(v reflect.Value, name string, tag model.Tag) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Struct && v.Type() != timeType {
		var attributes []string
		if tag.Namespace != "" && tag.Prefix != "" {
			attributes = append(attributes, "xmlns:"+tag.Prefix, tag.Namespace)
		}
		for i := range v.NumField() {
			if t := model.ParseTag(v.Type().Field(i).Tag); t.Attr && !v.Field(i).IsNil() {
				attributes = append(attributes, t.Name, text(v.Field(i).Elem(), t, ""))
			}
		}
		w.open(name, attributes...)
		w.members(v)
		w.close(name)
		return
	}
	w.leaf(name, text(v, tag, "iso8601"))
}

// text is a scalar's form; form is that of timestamps unless the tag says another.
func text(v reflect.Value, tag model.Tag, form string) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64, reflect.Float32:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case reflect.Slice:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case reflect.Struct:
		t := v.Interface().(op.Time)
		if tag.Time != "" {
			form = tag.Time
		}
		switch form {
		case "rfc822":
			return t.UTC().Format(http.TimeFormat)
		case "unixTimestamp":
			return strconv.FormatInt(t.Unix(), 10)
		}
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return ""
}

// fields writes an error's further elements in a stable order.
func (w *xmlWriter) fields(m map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		w.leaf(name, m[name])
	}
}
