package rds

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const minPage, maxPage = 20, 100

// page cuts a list that is sorted by key: the marker is the last one shown, so that
// what comes and goes between two calls shifts nothing.
func page[T any](all []T, key func(T) string, marker *string, size *int32) (shown []T, next *string, err error) {
	n := int(op.Or(size, maxPage))
	if n < minPage || n > maxPage {
		return nil, nil, invalid("Invalid value %d for MaxRecords. Must be between %d and %d", n, minPage, maxPage)
	}
	start := 0
	if op.Val(marker) != "" {
		last, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, invalid("The specified marker is invalid")
		}
		for start < len(all) && key(all[start]) <= string(last) {
			start++
		}
	}
	end := min(start+n, len(all))
	if end < len(all) {
		next = new(base64.RawURLEncoding.EncodeToString([]byte(key(all[end-1]))))
	}
	return all[start:end:end], next, nil
}

// show is one instance with its subnet group.
func (s *Service) show(ctx context.Context, r store.Reader, c op.Caller, i Instance) (*api.DBInstance, error) {
	g, err := s.findGroup(ctx, r, c, &i.SubnetGroup)
	if err != nil {
		return nil, err
	}
	return i.api(g.Value), nil
}

func (s *Service) describeDBInstances(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeDBInstancesInput) (*api.DescribeDBInstancesOutput, error) {
	var found []Instance
	if op.Val(in.DBInstanceIdentifier) != "" {
		d, err := s.find(ctx, r, c, in.DBInstanceIdentifier)
		if err != nil {
			return nil, err
		}
		found = append(found, d.Value)
	} else {
		docs, err := instances.List(ctx, r, c.Scope, store.Query{})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			found = append(found, d.Value)
		}
	}
	for _, f := range in.Filters {
		var err error
		found = slices.DeleteFunc(found, func(i Instance) bool {
			ok, e := i.meets(f)
			if e != nil {
				err = e
			}
			return !ok
		})
		if err == nil {
			_, err = (&Instance{}).meets(f) // a bad name is refused also where nothing is listed
		}
		if err != nil {
			return nil, err
		}
	}
	found, marker, err := page(found, func(i Instance) string { return i.ID }, in.Marker, in.MaxRecords)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeDBInstancesOutput{Marker: marker, DBInstances: []api.DBInstance{}}
	for _, i := range found {
		d, err := s.show(ctx, r, c, i)
		if err != nil {
			return nil, err
		}
		out.DBInstances = append(out.DBInstances, *d)
	}
	return out, nil
}

// meets applies a filter of DescribeDBInstances.
func (i *Instance) meets(f api.Filter) (bool, error) {
	var have []string
	switch op.Val(f.Name) {
	case "db-instance-id":
		have = []string{i.ID, i.ARN()}
	case "dbi-resource-id":
		have = []string{i.ResourceID}
	case "engine":
		have = []string{"postgres"}
	case "db-cluster-id", "domain":
	default:
		return false, invalid("Unrecognized filter name: %s", op.Val(f.Name))
	}
	return slices.ContainsFunc(f.Values, func(v string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, v) })
	}), nil
}

func (s *Service) describeDBSubnetGroups(ctx context.Context, r store.Reader, c op.Caller, in *api.DescribeDBSubnetGroupsInput) (*api.DescribeDBSubnetGroupsOutput, error) {
	var found []SubnetGroup
	if op.Val(in.DBSubnetGroupName) != "" {
		d, err := s.findGroup(ctx, r, c, in.DBSubnetGroupName)
		if err != nil {
			return nil, err
		}
		found = append(found, d.Value)
	} else {
		docs, err := groups.List(ctx, r, c.Scope, store.Query{})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			found = append(found, d.Value)
		}
	}
	found, marker, err := page(found, func(g SubnetGroup) string { return g.Name }, in.Marker, in.MaxRecords)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeDBSubnetGroupsOutput{Marker: marker, DBSubnetGroups: []api.DBSubnetGroup{}}
	for _, g := range found {
		out.DBSubnetGroups = append(out.DBSubnetGroups, *g.api())
	}
	return out, nil
}

// resource is an ARN that policies are asked about; a given ARN stays itself.
func resource(c op.Caller, kind string, id *string) string {
	if _, ok := arn.Parse(op.Val(id)); ok {
		return *id
	}
	name := strings.ToLower(op.Val(id))
	if name == "" {
		name = "*"
	}
	return arn.New("rds", c.Region, c.Account, kind+":"+name)
}
