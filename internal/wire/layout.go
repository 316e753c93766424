package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// layouts remember how structures lie on the wire, so that tags are read once.
type layouts struct{ known sync.Map } // reflect.Type → []field

type field struct {
	index int
	model.Tag
	kind reflect.Type
}

func (l *layouts) of(t reflect.Type) []field {
	if f, ok := l.known.Load(t); ok {
		return f.([]field)
	}
	fields := make([]field, t.NumField())
	for i := range fields {
		fields[i] = field{i, model.ParseTag(t.Field(i).Tag), t.Field(i).Type}
	}
	l.known.Store(t, fields)
	return fields
}

// valueError is a value that its member cannot have.
type valueError struct{ value, want string }

func (e *valueError) Error() string {
	return fmt.Sprintf("'%s' is not %s", e.value, e.want)
}

var (
	timeType = reflect.TypeFor[op.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
	blobType = reflect.TypeFor[[]byte]()
)

// isScalar tells whether a type is one text on the wire.
func isScalar(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		return t == timeType
	case reflect.Slice:
		return t == blobType || t == rawType
	case reflect.Map:
		return false
	}
	return true
}

// setScalar reads a text into a member.
func setScalar(v reflect.Value, s string) error {
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if err := setScalar(p.Elem(), s); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(s)))
		if err != nil {
			return &valueError{s, "a boolean"}
		}
		v.SetBool(b)
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, v.Type().Bits())
		if err != nil {
			return &valueError{s, "an integer"}
		}
		v.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return &valueError{s, "a number"}
		}
		v.SetFloat(f)
	case reflect.Slice:
		if v.Type() == rawType {
			v.SetBytes([]byte(s))
			break
		}
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return &valueError{s, "base64"}
		}
		v.SetBytes(b)
	case reflect.Struct:
		if err := v.Addr().Interface().(*op.Time).UnmarshalText([]byte(strings.TrimSpace(s))); err != nil {
			return &valueError{s, "a timestamp"}
		}
	default:
		return fmt.Errorf("no text form of %s", v.Type())
	}
	return nil
}

// scalar is a member's text; form is the timestamp's where it is one.
func scalar(v reflect.Value, form string) string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case reflect.Slice:
		if v.Type() == rawType {
			return string(v.Bytes())
		}
		return base64.StdEncoding.EncodeToString(v.Bytes())
	}
	t := v.Interface().(op.Time).UTC()
	switch form {
	case "rfc822":
		return t.Format("Mon, 02 Jan 2006 15:04:05 GMT")
	case "unixTimestamp":
		return strconv.FormatInt(t.Unix(), 10)
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}
