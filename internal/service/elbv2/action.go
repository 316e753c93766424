package elbv2

import (
	"context"
	"slices"
	"strconv"

	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// actions checks what a listener or rule shall do and completes it as AWS gives
// it back: both forms of forward, weights and orders filled.
func (s *Service) actions(ctx context.Context, r store.Reader, scope store.Scope, l Listener, in []api.Action) ([]api.Action, error) {
	if len(in) != 1 {
		return nil, invalid("An action list must contain exactly one action here: forward, redirect or fixed-response")
	}
	a := in[0]
	switch op.Val(a.Type) {
	case "forward":
		if err := completeForward(&a); err != nil {
			return nil, err
		}
		return []api.Action{a}, s.checkForward(ctx, r, scope, l, a)
	case "redirect":
		if err := completeRedirect(&a); err != nil {
			return nil, err
		}
	case "fixed-response":
		if err := completeFixed(&a); err != nil {
			return nil, err
		}
	default:
		return nil, api.InvalidLoadBalancerActionException("Actions of type '%s' are not supported here; use 'forward', 'redirect' or 'fixed-response'", op.Val(a.Type))
	}
	if l.Protocol != "HTTP" {
		return nil, api.InvalidLoadBalancerActionException("Actions of type '%s' are not supported for %s listeners", op.Val(a.Type), l.Protocol)
	}
	return []api.Action{a}, nil
}

func completeForward(a *api.Action) error {
	f := a.ForwardConfig
	if f == nil {
		f = &api.ForwardActionConfig{}
	}
	tuples := slices.Clone(f.TargetGroups)
	if len(tuples) == 0 && a.TargetGroupArn != nil {
		tuples = []api.TargetGroupTuple{{TargetGroupArn: a.TargetGroupArn}}
	}
	if len(tuples) == 0 {
		return invalid("A target group ARN must be specified")
	}
	if len(tuples) > 5 {
		return api.TooManyTargetGroupsException("A forward action can contain at most '5' target groups")
	}
	for i := range tuples {
		w := op.Or(tuples[i].Weight, 1)
		if w < 0 || w > 999 {
			return invalid("Target group weight '%d' must be between '0' and '999'", w)
		}
		tuples[i].Weight = &w
	}
	sticky := f.TargetGroupStickinessConfig
	if sticky == nil {
		sticky = &api.TargetGroupStickinessConfig{Enabled: new(false)}
	}
	a.ForwardConfig = &api.ForwardActionConfig{TargetGroups: tuples, TargetGroupStickinessConfig: sticky}
	a.TargetGroupArn = nil
	if len(tuples) == 1 {
		a.TargetGroupArn = tuples[0].TargetGroupArn
	}
	return nil
}

// checkForward: the groups exist and speak the listener's protocol.
func (s *Service) checkForward(ctx context.Context, r store.Reader, scope store.Scope, l Listener, a api.Action) error {
	for _, t := range a.ForwardConfig.TargetGroups {
		g, err := groups.Get(ctx, r, scope, op.Val(t.TargetGroupArn))
		if err != nil {
			return missing(err, api.TargetGroupNotFoundException("Target groups '%s' not found", op.Val(t.TargetGroupArn)))
		}
		if g.Value.Protocol != l.Protocol {
			return api.IncompatibleProtocolsException("The protocol '%s' is not compatible with the protocol '%s' of target group '%s'", l.Protocol, g.Value.Protocol, g.Key)
		}
	}
	return nil
}

func completeRedirect(a *api.Action) error {
	if a.RedirectConfig == nil || a.RedirectConfig.StatusCode == nil {
		return invalid("A redirect configuration with a status code must be specified")
	}
	c := *a.RedirectConfig
	if *c.StatusCode != "HTTP_301" && *c.StatusCode != "HTTP_302" {
		return invalid("Redirect status code '%s' must be 'HTTP_301' or 'HTTP_302'", *c.StatusCode)
	}
	c.Protocol, c.Host, c.Port = new(op.Or(c.Protocol, "#{protocol}")), new(op.Or(c.Host, "#{host}")), new(op.Or(c.Port, "#{port}"))
	c.Path, c.Query = new(op.Or(c.Path, "/#{path}")), new(op.Or(c.Query, "#{query}"))
	if *c.Protocol == "#{protocol}" && *c.Host == "#{host}" && *c.Port == "#{port}" && *c.Path == "/#{path}" {
		return api.InvalidLoadBalancerActionException("The redirect configuration is not valid because it creates a loop.")
	}
	a.RedirectConfig = &c
	return nil
}

func completeFixed(a *api.Action) error {
	if a.FixedResponseConfig == nil || a.FixedResponseConfig.StatusCode == nil {
		return invalid("A fixed response configuration with a status code must be specified")
	}
	if n, err := strconv.Atoi(*a.FixedResponseConfig.StatusCode); err != nil || n < 200 || n > 599 || n >= 300 && n < 400 {
		return invalid("Fixed response status code '%s' must be 2XX, 4XX or 5XX", *a.FixedResponseConfig.StatusCode)
	}
	return nil
}

// targetsOf are the target groups of actions.
func targetsOf(as []api.Action) (out []string) {
	for _, a := range as {
		if a.ForwardConfig != nil {
			for _, t := range a.ForwardConfig.TargetGroups {
				out = append(out, op.Val(t.TargetGroupArn))
			}
		}
	}
	return out
}

// actionRecord is completed actions for the data plane.
func actionRecord(as []api.Action) (out dataplane.Action) {
	for _, a := range as {
		switch {
		case a.ForwardConfig != nil:
			f := &dataplane.Forward{}
			for _, t := range a.ForwardConfig.TargetGroups {
				f.Pools = append(f.Pools, dataplane.Share{Pool: op.Val(t.TargetGroupArn), Weight: int(op.Or(t.Weight, 1))})
			}
			if c := a.ForwardConfig.TargetGroupStickinessConfig; c != nil && op.Val(c.Enabled) {
				f.Sticky = int(op.Or(c.DurationSeconds, 3600))
			}
			out.Forward = f
		case a.RedirectConfig != nil:
			c := a.RedirectConfig
			status, _ := strconv.Atoi(op.Val(c.StatusCode)[len("HTTP_"):]) // checked when it was given
			out.Redirect = &dataplane.Redirect{Protocol: op.Val(c.Protocol), Host: op.Val(c.Host), Port: op.Val(c.Port), Path: op.Val(c.Path), Query: op.Val(c.Query), Status: status}
		case a.FixedResponseConfig != nil:
			c := a.FixedResponseConfig
			status, _ := strconv.Atoi(op.Val(c.StatusCode)) // as above
			out.Fixed = &dataplane.Fixed{Status: status, ContentType: op.Val(c.ContentType), Body: op.Val(c.MessageBody)}
		}
	}
	return out
}
