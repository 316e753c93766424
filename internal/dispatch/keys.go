package dispatch

import (
	"context"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// requestKeys are the condition keys that an input fills: those of its tags and
// those that the handler names.
func requestKeys(h op.Handler, c op.Caller, in any) map[string][]string {
	var g given
	g.tagged(in)
	for _, k := range h.Keys {
		if v := k.Values(c, in); len(v) > 0 {
			g.set(k.Name, v)
		}
	}
	return g.keys
}

// lookups are the handler's keys that take a read, of this input.
func lookups(h op.Handler, c op.Caller, in any) (all []op.Described) {
	for _, l := range h.Lookups {
		c := c // so that calls without lookups do not allocate it
		all = append(all, op.Described{Names: l.Names, Read: func(ctx context.Context, r store.Reader, _ arn.ARN) (map[string][]string, error) {
			return l.Read(ctx, r, c, in)
		}})
	}
	return all
}
