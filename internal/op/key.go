package op

import (
	"context"
	"fmt"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/store"
)

// Key is a condition key that an operation's input fills, such as s3:prefix of
// ListObjects. Names are those of AWS's Service Authorization Reference.
type Key struct {
	Name   string
	Values func(c Caller, in any) []string // none: the request does not have the key
}

// KeyOf is a key with what f finds in the input.
func KeyOf[I any](name string, f func(Caller, *I) []string) Key {
	return Key{name, func(c Caller, in any) []string { return f(c, in.(*I)) }}
}

// KeyMember is a key with the value of a member of the input, where that is given.
func KeyMember[I any, T ~string | ~bool | ~int32 | ~int64](name string, member func(*I) *T) Key {
	return KeyOf(name, func(_ Caller, in *I) []string {
		v := member(in)
		if v == nil {
			return nil
		}
		return []string{fmt.Sprint(*v)}
	})
}

// With gives the handler condition keys that its input fills.
func (h Handler) With(keys ...Key) Handler {
	h.Keys = append(h.Keys[:len(h.Keys):len(h.Keys)], keys...)
	return h
}

// Lookup reads condition keys that an operation's input only leads to, such as the
// tags of the version of an object. It is asked only where a policy names one of them.
type Lookup struct {
	Names []string // as Described's
	Read  func(ctx context.Context, r store.Reader, c Caller, in any) (map[string][]string, error)
}

// LookupOf is a lookup with what f reads for an input; store.ErrNotFound is nothing.
func LookupOf[I any](f func(context.Context, store.Reader, Caller, *I) (map[string][]string, error), names ...string) Lookup {
	return Lookup{names, func(ctx context.Context, r store.Reader, c Caller, in any) (map[string][]string, error) {
		return f(ctx, r, c, in.(*I))
	}}
}

// LooksUp gives the handler condition keys that take a read.
func (h Handler) LooksUp(l ...Lookup) Handler {
	h.Lookups = append(h.Lookups[:len(h.Lookups):len(h.Lookups)], l...)
	return h
}

// Described reads condition keys that depend on a resource as it is, such as its
// tags. It is asked only where a policy names one of them.
type Described struct {
	Names []string // one that ends in a slash stands for a key per tag: "aws:ResourceTag/"
	// Read gives the keys. A resource that does not exist, store.ErrNotFound, has none.
	Read func(ctx context.Context, r store.Reader, a arn.ARN) (map[string][]string, error)
}

// Tagged describes resources by their tags: aws:ResourceTag/K and the names that the
// service itself has for it.
func Tagged(tags func(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error), own ...string) Described {
	names := append([]string{"aws:ResourceTag/"}, own...)
	return Described{names, func(ctx context.Context, r store.Reader, a arn.ARN) (map[string][]string, error) {
		found, err := tags(ctx, r, a)
		return ResourceTags(found, names...), err
	}}
}

// ResourceTags are the keys that a resource's tags fill, under each of names.
func ResourceTags(tags map[string]string, names ...string) map[string][]string {
	keys := make(map[string][]string, len(tags)*len(names))
	for k, v := range tags {
		for _, name := range names {
			keys[name+k] = []string{v}
		}
	}
	return keys
}
