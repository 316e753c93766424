package wire

import (
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
)

// bindRequest fills the members that travel in the path, the query and the headers.
func (l *layouts) bindRequest(c *call, in reflect.Value) error {
	labels, _ := splitPath(c.r)
	h := c.r.Header
	for _, f := range l.of(in.Type()) {
		v := in.Field(f.index)
		var err error
		switch {
		case f.URI != "":
			if s, ok := labels[f.URI]; ok {
				err = setScalar(v, s)
			}
		case f.HasHeaders:
			bindPrefixed(v, f.Headers, h)
		case f.Header != "" && len(h.Values(f.Header)) > 0:
			err = bindText(v, headerText(f.Header, h))
		case f.Query != "" && c.query.Has(f.Query):
			err = bindAll(v, c.query[f.Query])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// headerText is a header's value as a member. The transfer's own encoding is no part
// of what is stored, and encoded words carry metadata beyond ASCII.
func headerText(name string, h http.Header) string {
	s := strings.Join(h.Values(name), ",")
	if strings.EqualFold(name, "Content-Encoding") {
		var kept []string
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" && part != "aws-chunked" {
				kept = append(kept, part)
			}
		}
		return strings.Join(kept, ",")
	}
	if strings.EqualFold(name, "Content-Length") && h.Get(decodedLength) != "" {
		return h.Get(decodedLength)
	}
	return s
}

func bindText(v reflect.Value, s string) error {
	if v.Kind() == reflect.Slice && v.Type() != blobType {
		return bindAll(v, strings.Split(s, ","))
	}
	if s == "" && v.Kind() == reflect.Pointer && v.Type().Elem().Kind() != reflect.String {
		return nil
	}
	if s == "" {
		return nil // an empty header is an absent one to S3
	}
	return setScalar(v, s)
}

func bindAll(v reflect.Value, values []string) error {
	if isScalar(v.Type()) {
		if values[0] == "" && v.Type().Elem().Kind() != reflect.String {
			return nil
		}
		return setScalar(v, values[0])
	}
	out := reflect.MakeSlice(v.Type(), len(values), len(values))
	for i, s := range values {
		if err := setScalar(out.Index(i), strings.TrimSpace(s)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func bindPrefixed(v reflect.Value, prefix string, h http.Header) {
	out := map[string]string{}
	decoder := new(mime.WordDecoder)
	for name, values := range h {
		if rest, ok := strings.CutPrefix(strings.ToLower(name), strings.ToLower(prefix)); ok {
			text := strings.Join(values, ",")
			if d, err := decoder.DecodeHeader(text); err == nil {
				text = d
			}
			out[rest] = text
		}
	}
	if len(out) > 0 {
		v.Set(reflect.ValueOf(out))
	}
}

// bindBody fills the payload, or the body's members.
func (l *layouts) bindBody(body []byte, in reflect.Value) error {
	reader := xmlReader{l}
	inBody := false
	for _, f := range l.of(in.Type()) {
		inBody = inBody || f.InBody()
		if !f.Payload {
			continue
		}
		v := in.Field(f.index)
		if isScalar(f.kind) { // a policy document travels as it is
			if len(body) > 0 {
				return setScalar(v, string(body))
			}
			return nil
		}
		if len(body) == 0 {
			return nil
		}
		root, err := parseXML(body)
		if err != nil {
			return err
		}
		p := reflect.New(f.kind.Elem())
		v.Set(p)
		return reader.structure(root, p.Elem())
	}
	if !inBody || len(body) == 0 {
		return nil
	}
	root, err := parseXML(body)
	if err != nil {
		return err
	}
	return reader.structure(root, in)
}

// writeHeaders puts an output's header members into h and gives its status.
func (l *layouts) writeHeaders(out reflect.Value, h http.Header) (status int) {
	for _, f := range l.of(out.Type()) {
		v := out.Field(f.index)
		if v.IsNil() {
			continue
		}
		switch {
		case f.Header != "" && v.Kind() == reflect.Slice:
			for i := range v.Len() {
				h.Add(f.Header, scalar(v.Index(i), "rfc822"))
			}
		case f.Header != "":
			h.Set(f.Header, headerSafe(scalar(v, or(f.Time, "rfc822"))))
		case f.HasHeaders:
			for key, text := range v.Interface().(map[string]string) {
				h[f.Headers+key] = []string{headerSafe(text)} // lower case as stored
			}
		case f.Status:
			status = int(v.Elem().Int())
		}
	}
	return status
}

// headerSafe encodes what a header cannot carry, as S3 does with metadata.
func headerSafe(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] < ' ' {
			return mime.QEncoding.Encode("UTF-8", s)
		}
	}
	return s
}

// restBody is an output's XML body, nil where it has none.
func (l *layouts) restBody(o *model.Operation, ns string, out reflect.Value) []byte {
	w := &xmlWriter{layouts: l, item: "member"}
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	members := 0
	for _, f := range l.of(out.Type()) {
		v := out.Field(f.index)
		switch {
		case f.Payload && v.IsNil():
			return nil
		case f.Payload && isScalar(f.kind):
			return []byte(scalar(v, ""))
		case f.Payload:
			w.open(f.Name, ns)
			w.structure(v.Elem())
			w.close(f.Name)
			return w.Bytes()
		case f.InBody():
			members++
		}
	}
	if members == 0 && o.Root == "" {
		return nil
	}
	root := or(o.Root, o.Name+"Result")
	w.open(root, ns)
	if lone := l.of(out.Type()); members == 1 && lone[0].Name == root { // GetBucketLocation: the root is the value
		if v := out.Field(0); !v.IsNil() {
			w.text(scalar(v, ""))
		}
	} else {
		w.structure(out)
	}
	w.close(root)
	return w.Bytes()
}
