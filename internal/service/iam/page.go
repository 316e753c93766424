package iam

import "github.com/penstock-ci/penstock/internal/op"

// pageSize is AWS's default MaxItems.
const pageSize = 100

// page cuts a list that is sorted by name: the marker is the last name shown, so
// that what comes and goes between two calls shifts nothing.
func page[T any](all []T, name func(T) string, marker *string, max *int32) (shown []T, truncated *bool, next *string) {
	start := 0
	for start < len(all) && marker != nil && name(all[start]) <= *marker {
		start++
	}
	end := min(start+int(op.Or(max, pageSize)), len(all))
	shown = all[start:end]
	if shown == nil {
		shown = []T{}
	}
	if end == len(all) {
		return shown, new(false), nil
	}
	return shown, new(true), new(name(all[end-1]))
}

func itself(s string) string { return s }
