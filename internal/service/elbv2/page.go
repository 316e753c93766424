package elbv2

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/op"
)

// pageSize is AWS's largest and default page.
const pageSize = 400

// page cuts a list by ARN: the marker is the last one shown, so that what comes
// and goes between two calls shifts nothing.
func page[T any](all []T, arn func(T) string, marker *string, size *int32) (shown []T, next *string, err error) {
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(arn(a), arn(b)) })
	start := 0
	if op.Val(marker) != "" {
		last, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, invalid("The marker is not valid")
		}
		for start < len(all) && arn(all[start]) <= string(last) {
			start++
		}
	}
	end := min(start+int(op.Or(size, pageSize)), len(all))
	shown = all[start:end]
	if shown == nil {
		shown = []T{}
	}
	if end < len(all) {
		next = new(base64.RawURLEncoding.EncodeToString([]byte(arn(all[end-1]))))
	}
	return shown, next, nil
}
