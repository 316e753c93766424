package ssm

import (
	"context"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) describeParameters(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeParametersInput) (*api.DescribeParametersOutput, error) {
	filters := in.ParameterFilters
	for _, f := range in.Filters { // the older form: names by prefix
		option := "Equals"
		if op.Val(f.Key) == api.ParametersFilterKeyName {
			option = "BeginsWith"
		}
		filters = append(filters, api.ParameterStringFilter{Key: f.Key, Option: &option, Values: f.Values})
	}
	if err := checkFilters(filters); err != nil {
		return nil, err
	}
	docs, err := s.parameters.List(ctx, r, c.Scope, store.Query{})
	if err != nil {
		return nil, err
	}
	var all []Parameter
	for _, d := range docs {
		if passes(d.Value, filters) {
			all = append(all, d.Value)
		}
	}
	all, next, err := page(all, func(p Parameter) string { return p.Name }, in.NextToken, op.Or(in.MaxResults, listPage))
	if err != nil {
		return nil, err
	}
	out := &api.DescribeParametersOutput{Parameters: []api.ParameterMetadata{}, NextToken: next}
	for _, p := range all {
		v := p.latest()
		out.Parameters = append(out.Parameters, api.ParameterMetadata{
			Name: new(p.Name), ARN: new(p.ARN()), Type: new(v.Type), KeyId: op.Opt(v.Key), LastModifiedDate: op.At(v.Modified), LastModifiedUser: new(v.User),
			Description: op.Opt(v.Description), AllowedPattern: op.Opt(v.Pattern), Version: new(v.Number), Tier: new(v.Tier), Policies: []api.ParameterInlinePolicy{}, DataType: new(v.DataType),
		})
	}
	return out, nil
}

var filterKeys = []string{"Name", "Type", "KeyId", "Path", "Label", "Tier", "DataType"}

func checkFilters(filters []api.ParameterStringFilter) error {
	for _, f := range filters {
		key := op.Val(f.Key)
		if !slices.Contains(filterKeys, key) && !strings.HasPrefix(key, "tag:") {
			return api.InvalidFilterKey("The following filter key is not valid: %s. Valid filter keys include: [%s, tag:].", key, strings.Join(filterKeys, ", "))
		}
	}
	return nil
}

// passes: filters AND, values of one OR.
func passes(p Parameter, filters []api.ParameterStringFilter) bool {
	for _, f := range filters {
		if !one(p, op.Val(f.Key), op.Val(f.Option), f.Values) {
			return false
		}
	}
	return true
}

func one(p Parameter, key, option string, values []string) bool {
	v := p.latest()
	if tag, ok := strings.CutPrefix(key, "tag:"); ok {
		have, tagged := p.Tags[tag]
		return tagged && (len(values) == 0 || slices.Contains(values, have))
	}
	return slices.ContainsFunc(values, func(want string) bool {
		switch key {
		case "Path":
			below, ok := strings.CutPrefix(p.Name, strings.TrimSuffix(want, "/")+"/")
			return ok && (option == "Recursive" || !strings.Contains(below, "/"))
		case "Label":
			return slices.ContainsFunc(p.Versions, func(v Version) bool { return slices.Contains(v.Labels, want) })
		case "Name":
			return compare(option, p.Name, want) || compare(option, strings.TrimPrefix(p.Name, "/"), want)
		}
		have := map[string]string{"Type": v.Type, "KeyId": v.Key, "Tier": v.Tier, "DataType": v.DataType}[key]
		return compare(option, have, want)
	})
}

func compare(option, have, want string) bool {
	switch option {
	case "BeginsWith":
		return strings.HasPrefix(have, want)
	case "Contains":
		return strings.Contains(have, want)
	}
	return have == want
}
