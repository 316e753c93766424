package dispatch

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

type serviceKey struct{}

// within notes which service's operation runs, so that a Guard question asked
// in it is refused in that service's own form.
func within(ctx context.Context, service string) context.Context {
	return context.WithValue(ctx, serviceKey{}, service)
}

// free are the operations that no policy of the caller can refuse; AssumeRole
// asks both sides itself.
var free = map[string]bool{"sts:GetCallerIdentity": true, "sts:GetSessionToken": true, "sts:AssumeRole": true}

func (d *Dispatcher) authorise(ctx context.Context, r store.Reader, h op.Handler, c op.Caller, in any) error {
	action := h.Action
	if action == "" {
		action = h.Service + ":" + h.Name
	}
	if free[action] {
		return nil
	}
	resources := []string{"*"}
	if h.Resources != nil {
		if named := h.Resources(c, in); len(named) > 0 {
			resources = named
		}
	}
	q := identity.Question{Caller: c, Action: action, Context: requestKeys(h, c, in), Described: lookups(h, c, in)}
	for _, q.Resource = range resources {
		if err := d.ask(ctx, r, q); err != nil {
			return err
		}
	}
	return nil
}

// Allow answers a handler's second question about its caller.
func (d *Dispatcher) Allow(ctx context.Context, r store.Reader, c op.Caller, action, resource string, keys map[string]string) error {
	many := make(map[string][]string, len(keys))
	for k, v := range keys {
		many[k] = []string{v}
	}
	return d.ask(ctx, r, identity.Question{Caller: c, Action: action, Resource: resource, Context: many})
}

// Trusts tells whether role's trust policy names service.
func (d *Dispatcher) Trusts(ctx context.Context, r store.Reader, role, service string) error {
	if d.Policies == nil {
		return nil
	}
	return d.Policies.Trusts(ctx, r, role, service)
}

// ask completes q by what belongs to its resource, and decides.
func (d *Dispatcher) ask(ctx context.Context, r store.Reader, q identity.Question) error {
	named, _ := arn.Parse(q.Resource)
	guard := d.Resources[named.Service]
	// An account's root is bound by resource policies alone.
	root := strings.HasSuffix(q.Caller.ARN, ":root") && isOwn(q.Caller, named)
	if root && guard == nil {
		return nil
	}
	var err error
	if q.Resource, err = d.complete(ctx, r, named.Service, q.Resource); err != nil {
		return fmt.Errorf("complete %s: %w", named, err)
	}
	if guard != nil {
		if q.ResourcePolicy, err = guard(ctx, r, q.Resource); err != nil {
			return fmt.Errorf("policy of %s: %w", q.Resource, err)
		}
	}
	if root && q.ResourcePolicy == "" {
		return nil
	}
	if by := d.described[named.Service]; by != nil {
		q.Described = append(q.Described[:len(q.Described):len(q.Described)], by...)
	}
	refusal := &identity.Refusal{Principal: q.Caller.ARN, Action: q.Action, Resource: q.Resource, Reason: "because no identity-based policy allows the " + q.Action + " action"}
	if d.Policies != nil {
		if refusal, err = d.Policies.Decide(ctx, r, q); err != nil {
			return fmt.Errorf("decide %s on %s for %s: %w", q.Action, q.Resource, q.Caller.ARN, err)
		}
	}
	if refusal == nil {
		return nil
	}
	service, _ := ctx.Value(serviceKey{}).(string)
	if service == "" {
		service, _, _ = strings.Cut(q.Action, ":")
	}
	return denied(service, refusal)
}

func (d *Dispatcher) complete(ctx context.Context, r store.Reader, service, resource string) (string, error) {
	if f := d.resolve[service]; f != nil {
		return f(ctx, r, resource)
	}
	return resource, nil
}

// isOwn: S3's ARNs and "*" carry no account; whose they are, the service says.
func isOwn(c op.Caller, named arn.ARN) bool {
	return named.Account == "" || named.Account == c.Account || named.Account == "aws"
}
