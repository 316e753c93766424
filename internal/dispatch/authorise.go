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
	facts := requestTags(in)
	for _, resource := range resources {
		if err := d.ask(ctx, r, c, action, resource, facts); err != nil {
			return err
		}
	}
	return nil
}

// Allow answers a handler's second question about its caller.
func (d *Dispatcher) Allow(ctx context.Context, r store.Reader, c op.Caller, action, resource string, facts map[string]string) error {
	many := make(map[string][]string, len(facts))
	for k, v := range facts {
		many[k] = []string{v}
	}
	return d.ask(ctx, r, c, action, resource, many)
}

// Trusts tells whether role's trust policy names service.
func (d *Dispatcher) Trusts(ctx context.Context, r store.Reader, role, service string) error {
	if d.Policies == nil {
		return nil
	}
	return d.Policies.Trusts(ctx, r, role, service)
}

func (d *Dispatcher) ask(ctx context.Context, r store.Reader, c op.Caller, action, resource string, facts map[string][]string) error {
	// An account's root is bound by resource policies alone.
	root := strings.HasSuffix(c.ARN, ":root") && isOwn(c, resource)
	if root && !d.isGuarded(resource) {
		return nil
	}
	resource, err := d.complete(ctx, r, resource)
	if err != nil {
		return fmt.Errorf("complete %s: %w", resource, err)
	}
	policy, err := d.resourcePolicy(ctx, r, resource)
	if err != nil {
		return fmt.Errorf("policy of %s: %w", resource, err)
	}
	if root && policy == "" {
		return nil
	}
	refusal := &identity.Refusal{Principal: c.ARN, Action: action, Resource: resource, Reason: "because no identity-based policy allows the " + action + " action"}
	if d.Policies != nil {
		refusal, err = d.Policies.Decide(ctx, r, identity.Question{Caller: c, Action: action, Resource: resource, Context: facts, ResourcePolicy: policy})
		if err != nil {
			return fmt.Errorf("decide %s on %s for %s: %w", action, resource, c.ARN, err)
		}
	}
	if refusal == nil {
		return nil
	}
	service, _ := ctx.Value(serviceKey{}).(string)
	if service == "" {
		service, _, _ = strings.Cut(action, ":")
	}
	return denied(service, refusal)
}

func (d *Dispatcher) complete(ctx context.Context, r store.Reader, resource string) (string, error) {
	a, ok := arn.Parse(resource)
	if !ok || d.resolve[a.Service] == nil {
		return resource, nil
	}
	return d.resolve[a.Service](ctx, r, resource)
}

func (d *Dispatcher) isGuarded(resource string) bool {
	a, _ := arn.Parse(resource)
	return d.Resources[a.Service] != nil
}

func (d *Dispatcher) resourcePolicy(ctx context.Context, r store.Reader, resource string) (string, error) {
	a, ok := arn.Parse(resource)
	if !ok || d.Resources[a.Service] == nil {
		return "", nil
	}
	return d.Resources[a.Service](ctx, r, resource)
}

// isOwn: S3's ARNs and "*" carry no account; whose they are, the service says.
func isOwn(c op.Caller, resource string) bool {
	a, ok := arn.Parse(resource)
	return !ok || a.Account == "" || a.Account == c.Account || a.Account == "aws"
}
