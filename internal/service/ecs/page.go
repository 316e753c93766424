package ecs

import (
	"encoding/base64"
	"slices"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
)

// page cuts sorted, distinct names: what follows token, at most limit of them.
func page(names []string, token *string, limit *int32, def int32) (part []string, next *string, err error) {
	if v := op.Val(limit); limit != nil && (v < 1 || v > 100) {
		return nil, nil, api.InvalidParameterException("MaxResults must be between 1 and 100.")
	}
	if token != nil && *token != "" {
		after, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil {
			return nil, nil, api.InvalidParameterException("Invalid token.")
		}
		names = names[min(len(names), afterIn(names, string(after))):]
	}
	n := min(int(op.Or(limit, def)), len(names))
	if n < len(names) && n > 0 {
		next = new(base64.RawURLEncoding.EncodeToString([]byte(names[n-1])))
	}
	if names == nil {
		names = []string{}
	}
	return names[:n], next, nil
}

// afterIn is the place behind name, whichever way names are ordered.
func afterIn(names []string, name string) int {
	if i := slices.Index(names, name); i >= 0 {
		return i + 1
	}
	i, _ := slices.BinarySearch(names, name)
	return i
}
