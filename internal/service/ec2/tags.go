package ec2

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Tags are those of one resource, whatever it is.
type Tags struct {
	Resource string
	Tags     map[string]string
}

// kinds are the resource types by the prefix of their ids.
var kinds = map[string]string{
	"vpc": "vpc", "subnet": "subnet", "rtb": "route-table", "igw": "internet-gateway", "nat": "natgateway", "eipalloc": "elastic-ip",
	"sg": "security-group", "sgr": "security-group-rule", "eni": "network-interface", "acl": "network-acl", "dopt": "dhcp-options",
}

func kindOf(id string) string {
	prefix, _, _ := strings.Cut(id, "-")
	return kinds[prefix]
}

const maxTags = 50

// setTags adds what the specifications give to a resource of this kind.
func (s *Service) setTags(ctx context.Context, tx store.Tx, c op.Caller, id string, specs []ec2.TagSpecification) error {
	var tags []ec2.Tag
	for _, spec := range specs {
		if op.Val(spec.ResourceType) != kindOf(id) {
			return invalid("Tag specification resource type '%s' is not valid for this operation: it makes a %s", op.Val(spec.ResourceType), kindOf(id))
		}
		tags = append(tags, spec.Tags...)
	}
	if len(tags) == 0 {
		return nil
	}
	return s.tag(ctx, tx, c.Scope, id, tags)
}

func (s *Service) tag(ctx context.Context, tx store.Tx, scope store.Scope, id string, tags []ec2.Tag) error {
	d, err := s.tagsOf(ctx, tx, scope, id)
	if err != nil {
		return err
	}
	for _, t := range tags {
		key := op.Val(t.Key)
		if key == "" || len(key) > 127 {
			return invalid("Tag key must be between 1 and 127 characters: '%s'", key)
		}
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return invalid("Tag keys starting with 'aws:' are reserved for internal use")
		}
		d.Value.Tags[key] = op.Val(t.Value)
	}
	if len(d.Value.Tags) > maxTags {
		return fail("TagLimitExceeded", "More than %d tags specified", maxTags)
	}
	return save(ctx, tx, s.tags, d)
}

func (s *Service) tagsOf(ctx context.Context, r store.Reader, scope store.Scope, id string) (store.Doc[Tags], error) {
	d, err := s.tags.Get(ctx, r, scope, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return d, fmt.Errorf("read the tags of %s: %w", id, err)
	}
	d.Scope, d.Key, d.Value.Resource = scope, id, id
	if d.Value.Tags == nil {
		d.Value.Tags = map[string]string{}
	}
	return d, nil
}

// untag forgets a deleted resource's tags.
func (s *Service) untag(ctx context.Context, tx store.Tx, scope store.Scope, id string) error {
	d, err := s.tagsOf(ctx, tx, scope, id)
	if err != nil || d.Version == 0 {
		return err
	}
	return drop(ctx, tx, s.tags, d)
}

// allTags are those of every resource of the region.
func (s *Service) allTags(ctx context.Context, r store.Reader, scope store.Scope) (map[string]map[string]string, error) {
	all, err := values(ctx, r, s.tags, scope, "")
	out := make(map[string]map[string]string, len(all))
	for _, t := range all {
		out[t.Resource] = t.Tags
	}
	return out, err
}

func apiTags(tags map[string]string) []ec2.Tag {
	out := []ec2.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, ec2.Tag{Key: &k, Value: new(tags[k])})
	}
	return out
}

// with adds the filters that tags make.
func (f facets) with(tags map[string]string) facets {
	for k, v := range tags {
		f["tag:"+k] = []string{v}
		f["tag-key"] = append(f["tag-key"], k)
	}
	return f
}

func (s *Service) createTags(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	for _, id := range in.Resources {
		if err := s.exists(ctx, tx, c.Scope, id); err != nil {
			return nil, err
		}
		if err := s.tag(ctx, tx, c.Scope, id, in.Tags); err != nil {
			return nil, err
		}
	}
	return &ec2.CreateTagsOutput{}, nil
}

// exists refuses ids that nothing has.
func (s *Service) exists(ctx context.Context, r store.Reader, scope store.Scope, id string) (err error) {
	switch kindOf(id) {
	case "vpc":
		_, err = find(ctx, r, s.vpcs, scope, id, noVPC(id))
	case "subnet":
		_, err = find(ctx, r, s.subnets, scope, id, noSubnet(id))
	case "route-table":
		_, err = find(ctx, r, s.tables, scope, id, noTable(id))
	case "internet-gateway":
		_, err = find(ctx, r, s.gateways, scope, id, noGateway(id))
	case "natgateway":
		_, err = find(ctx, r, s.nats, scope, id, noNAT(id))
	case "elastic-ip":
		_, err = find(ctx, r, s.addresses, scope, id, noAllocation(id))
	case "security-group":
		_, err = find(ctx, r, s.groups, scope, id, noGroup(id))
	case "network-interface":
		_, err = find(ctx, r, s.interfaces, scope, id, noInterface(id))
	case "security-group-rule", "network-acl", "dhcp-options": // parts of other documents
	default:
		err = fail("InvalidID", "The ID '%s' is not valid", id)
	}
	return err
}

func (s *Service) deleteTags(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	for _, id := range in.Resources {
		d, err := s.tagsOf(ctx, tx, c.Scope, id)
		if err != nil {
			return nil, err
		}
		if d.Version == 0 {
			continue
		}
		if len(in.Tags) == 0 {
			clear(d.Value.Tags)
		}
		for _, t := range in.Tags {
			if have, ok := d.Value.Tags[op.Val(t.Key)]; ok && (t.Value == nil || *t.Value == have) {
				delete(d.Value.Tags, op.Val(t.Key))
			}
		}
		if err := save(ctx, tx, s.tags, d); err != nil {
			return nil, err
		}
	}
	return &ec2.DeleteTagsOutput{}, nil
}

func (s *Service) describeTags(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeTagsInput) (*ec2.DescribeTagsOutput, error) {
	all, err := values(ctx, r, s.tags, c.Scope, "")
	if err != nil {
		return nil, err
	}
	type one struct{ resource, key, value string }
	var flat []one
	for _, t := range all {
		for k, v := range t.Tags {
			flat = append(flat, one{t.Resource, k, v})
		}
	}
	found, next, err := answer(question{nil, in.Filters, in.MaxResults, in.NextToken}, flat,
		func(o one) string { return o.resource + "\x00" + o.key },
		func(o one) facets {
			return facets{"resource-id": {o.resource}, "resource-type": {kindOf(o.resource)}, "key": {o.key}, "value": {o.value}, "tag:" + o.key: {o.value}}
		}, nil)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeTagsOutput{NextToken: next, Tags: []ec2.TagDescription{}}
	for _, o := range found {
		out.Tags = append(out.Tags, ec2.TagDescription{Key: &o.key, Value: &o.value, ResourceId: &o.resource, ResourceType: new(kindOf(o.resource))})
	}
	return out, nil
}
