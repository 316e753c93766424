package ec2

import (
	"context"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Described lets policies ask for the tags of resources and for where they lie.
func (s *Service) Described() []op.Described {
	return []op.Described{
		op.Tagged(func(ctx context.Context, r store.Reader, a arn.ARN) (map[string]string, error) {
			d, err := s.tagsOf(ctx, r, store.Scope{Account: a.Account, Region: a.Region}, a.Name())
			return d.Value.Tags, err
		}, "ec2:ResourceTag/"),
		{Names: []string{"ec2:Vpc", "ec2:VpcID", "ec2:Subnet", "ec2:SubnetID"}, Read: s.place},
	}
}

// place is where a resource lies: a VPC and a subnet have their ids, what lies in
// them their ARNs (Service Authorization Reference).
func (s *Service) place(ctx context.Context, r store.Reader, a arn.ARN) (map[string][]string, error) {
	scope, id := store.Scope{Account: a.Account, Region: a.Region}, a.Name()
	in := func(kind, id string) []string { return []string{arn.New("ec2", a.Region, a.Account, kind+"/"+id)} }
	switch kindOf(id) {
	case "vpc":
		return map[string][]string{"ec2:VpcID": {id}}, nil
	case "subnet":
		d, err := s.subnets.Get(ctx, r, scope, id)
		return map[string][]string{"ec2:SubnetID": {id}, "ec2:Vpc": in("vpc", d.Value.VPC)}, err
	case "network-interface":
		d, err := s.interfaces.Get(ctx, r, scope, id)
		return map[string][]string{"ec2:Subnet": in("subnet", d.Value.Subnet), "ec2:Vpc": in("vpc", d.Value.VPC)}, err
	case "security-group":
		d, err := s.groups.Get(ctx, r, scope, id)
		return map[string][]string{"ec2:Vpc": in("vpc", d.Value.VPC)}, err
	case "route-table":
		d, err := s.tables.Get(ctx, r, scope, id)
		return map[string][]string{"ec2:Vpc": in("vpc", d.Value.VPC)}, err
	case "natgateway":
		d, err := s.nats.Get(ctx, r, scope, id)
		return map[string][]string{"ec2:Vpc": in("vpc", d.Value.VPC)}, err
	}
	return nil, store.ErrNotFound
}
