package wire

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
)

// decodeREST fills the input of a REST operation from path, query, headers and body.
func (c *call) decodeREST(in any) *refusal {
	labels, _ := splitPath(c.r)
	v := reflect.ValueOf(in).Elem()
	hasBody := false
	for i := range v.NumField() {
		field, tag := v.Field(i), model.ParseTag(v.Type().Field(i).Tag)
		switch {
		case tag.URI != "":
			value, ok := labels[strings.TrimSuffix(tag.URI, "+")]
			if f := set(field, value, ok, tag); f != nil {
				return f
			}
		case tag.Query != "":
			if field.Kind() == reflect.Map {
				continue
			}
			if f := set(field, c.query.Get(tag.Query), c.query.Has(tag.Query), tag); f != nil {
				return f
			}
		case tag.HasHeaders:
			prefixed(field, c.r.Header, tag.Headers)
		case tag.Header != "":
			if f := c.header(field, tag); f != nil {
				return f
			}
		case tag.Payload:
			if f := c.payload(field, tag); f != nil {
				return f
			}
		default:
			hasBody = true
		}
	}
	if !hasBody || len(c.body) == 0 {
		return nil
	}
	return c.element(v, model.Tag{})
}

// set reads one text value, a list of one where the member is a list.
func set(v reflect.Value, s string, ok bool, tag model.Tag) *refusal {
	if !ok {
		return nil
	}
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String {
		parts := strings.Split(s, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		v.Set(reflect.ValueOf(parts))
		return nil
	}
	if v.Kind() != reflect.Pointer {
		return nil
	}
	p := reflect.New(v.Type().Elem())
	tag.Name += tag.Header + tag.Query
	if f := scalar(p.Elem(), s, tag); f != nil {
		return f
	}
	v.Set(p)
	return nil
}

// header reads one header. What aws-chunked adds to Content-Encoding is the
// transfer's, not the object's.
func (c *call) header(v reflect.Value, tag model.Tag) *refusal {
	value, ok := c.r.Header.Get(tag.Header), len(c.r.Header.Values(tag.Header)) > 0
	switch http.CanonicalHeaderKey(tag.Header) {
	case "Content-Encoding":
		var kept []string
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" && part != "aws-chunked" {
				kept = append(kept, part)
			}
		}
		value, ok = strings.Join(kept, ","), len(kept) > 0
	case "Content-Length":
		if ok = c.r.ContentLength >= 0; ok && v.Kind() == reflect.Pointer {
			v.Set(reflect.ValueOf(&c.r.ContentLength))
		}
		return nil
	}
	// The times of conditions that cannot be read are ignored, as HTTP wants.
	if f := set(v, value, ok, tag); f != nil && !strings.HasPrefix(tag.Header, "If-") {
		return f
	}
	return nil
}

// prefixed gathers the headers that begin so, with what follows as their key.
func prefixed(v reflect.Value, h http.Header, prefix string) {
	m := map[string]string{}
	for name, values := range h {
		if key, ok := strings.CutPrefix(strings.ToLower(name), prefix); ok && key != "" {
			m[key] = strings.Join(values, ",")
		}
	}
	if len(m) > 0 {
		v.Set(reflect.ValueOf(m))
	}
}

func (c *call) payload(v reflect.Value, tag model.Tag) *refusal {
	if len(c.body) == 0 {
		return nil
	}
	if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.String {
		s := string(c.body)
		v.Set(reflect.ValueOf(&s))
		return nil
	}
	return c.element(v, tag)
}

func (c *call) element(v reflect.Value, tag model.Tag) *refusal {
	root, err := parseXML(c.body)
	if err != nil {
		return &refusal{kind: badInput}
	}
	return decodeXML(v, root, tag)
}
