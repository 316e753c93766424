package elbv2

import (
	"net/netip"
	"slices"

	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/op"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// conditions checks a rule's conditions and fills both forms that AWS gives
// back: Values and the field's own configuration.
func conditions(in []api.RuleCondition) ([]api.RuleCondition, error) {
	if len(in) == 0 {
		return nil, invalid("At least one condition must be specified")
	}
	total := 0
	out := slices.Clone(in)
	for i := range out {
		n, err := complete(&out[i])
		if err != nil {
			return nil, err
		}
		total += n
	}
	if total > 5 {
		return nil, invalid("A rule can have at most '5' condition values")
	}
	return out, nil
}

// complete fills one condition; n is how many values it counts for.
func complete(c *api.RuleCondition) (n int, err error) {
	if len(c.RegexValues) > 0 {
		return 0, invalid("Regular expressions in conditions are not supported here; use Values")
	}
	values := c.Values
	switch op.Val(c.Field) {
	case "path-pattern":
		if c.PathPatternConfig != nil {
			values = c.PathPatternConfig.Values
		}
		c.Values, c.PathPatternConfig = values, &api.PathPatternConditionConfig{Values: values}
	case "host-header":
		if c.HostHeaderConfig != nil {
			values = c.HostHeaderConfig.Values
		}
		c.Values, c.HostHeaderConfig = values, &api.HostHeaderConditionConfig{Values: values}
	case "http-header":
		if c.HttpHeaderConfig == nil || op.Val(c.HttpHeaderConfig.HttpHeaderName) == "" {
			return 0, invalid("A http-header condition must specify an HTTP header name")
		}
		values = c.HttpHeaderConfig.Values
	case "http-request-method":
		if c.HttpRequestMethodConfig != nil {
			values = c.HttpRequestMethodConfig.Values
		}
	case "source-ip":
		if c.SourceIpConfig != nil {
			values = c.SourceIpConfig.Values
		}
		for _, v := range values {
			if _, err := netip.ParsePrefix(v); err != nil {
				return 0, invalid("The source-ip value '%s' is not a valid CIDR block", v)
			}
		}
	case "query-string":
		if c.QueryStringConfig == nil || len(c.QueryStringConfig.Values) == 0 {
			return 0, invalid("A query-string condition must specify at least one value")
		}
		return len(c.QueryStringConfig.Values), nil
	default:
		return 0, invalid("Condition field '%s' must be one of '[path-pattern, http-header, http-request-method, host-header, query-string, source-ip]'", op.Val(c.Field))
	}
	if len(values) == 0 {
		return 0, invalid("A condition value must be specified")
	}
	return len(values), nil
}

// conditionRecords are completed conditions for the data plane.
func conditionRecords(in []api.RuleCondition) (out []dataplane.Condition) {
	for _, c := range in {
		r := dataplane.Condition{Field: op.Val(c.Field), Values: c.Values}
		switch {
		case c.HttpHeaderConfig != nil:
			r.Header, r.Values = op.Val(c.HttpHeaderConfig.HttpHeaderName), c.HttpHeaderConfig.Values
		case c.HttpRequestMethodConfig != nil:
			r.Values = c.HttpRequestMethodConfig.Values
		case c.SourceIpConfig != nil:
			r.Values = c.SourceIpConfig.Values
		case c.QueryStringConfig != nil:
			for _, q := range c.QueryStringConfig.Values {
				r.Query = append(r.Query, dataplane.Pair{Key: op.Val(q.Key), Value: op.Val(q.Value)})
			}
		}
		out = append(out, r)
	}
	return out
}
