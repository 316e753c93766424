package op

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Time is an instant in generated types. As JSON it is AWS's form: epoch
// seconds with millisecond fraction. Text forms (ISO 8601, RFC 1123) are read too.
type Time struct{ time.Time }

// At is a *Time for an optional member; nil for the zero instant.
func At(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// MarshalJSON writes epoch seconds.
func (t Time) MarshalJSON() ([]byte, error) {
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return strconv.AppendInt(nil, ms/1000, 10), nil
	}
	return strconv.AppendFloat(nil, float64(ms)/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads epoch seconds or a text form.
func (t *Time) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		return t.parse(s)
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1e12 {
		return fmt.Errorf("timestamp %s is not epoch seconds", b)
	}
	t.Time = time.UnixMilli(int64(math.Round(f * 1000))).UTC()
	return nil
}

// MarshalText is ISO 8601 in UTC with milliseconds, as the query protocols write it.
func (t Time) MarshalText() ([]byte, error) {
	return []byte(t.UTC().Format("2006-01-02T15:04:05.000Z")), nil
}

// UnmarshalText reads ISO 8601, RFC 1123 or epoch seconds.
func (t *Time) UnmarshalText(b []byte) error { return t.parse(string(b)) }

func (t *Time) parse(s string) error {
	for _, layout := range []string{time.RFC3339Nano, time.RFC1123, "2006-01-02T15:04:05", "2006-01-02"} {
		if v, err := time.Parse(layout, s); err == nil {
			t.Time = v.UTC()
			return nil
		}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		t.Time = time.UnixMilli(int64(math.Round(f * 1000))).UTC()
		return nil
	}
	return fmt.Errorf("timestamp %q is neither ISO 8601 nor epoch seconds", s)
}

// Val is *p, or the zero value where the optional member is absent.
func Val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// Or is *p, or def where the optional member is absent.
func Or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}

// Opt is &v, or nil for the zero value: an optional member that is absent when empty.
func Opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
