package ec2

import (
	"context"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// status: what a service asked for is in its hands at once.
func (i Interface) status() string {
	if i.Requester != "" {
		return "in-use"
	}
	return "available"
}

func (i Interface) kind() string {
	switch i.Kind {
	case network.ForNAT:
		return "nat_gateway"
	case network.ForEndpoint:
		return "vpc_endpoint"
	}
	return "interface"
}

func publicName(region string, address string) string {
	zone := region + ".compute.amazonaws.com"
	if region == "us-east-1" {
		zone = "compute-1.amazonaws.com"
	}
	return "ec2-" + strings.ReplaceAll(address, ".", "-") + "." + zone
}

func (s *Service) showInterface(ctx context.Context, r store.Reader, c op.Caller, i Interface) (*ec2.NetworkInterface, error) {
	tags, err := s.tagsOf(ctx, r, c.Scope, i.ID)
	if err != nil {
		return nil, err
	}
	out := &ec2.NetworkInterface{
		NetworkInterfaceId: &i.ID, VpcId: &i.VPC, SubnetId: &i.Subnet, AvailabilityZone: &i.Zone, AvailabilityZoneId: new(zoneID(i.Zone)), Description: &i.Description,
		InterfaceType: new(i.kind()), MacAddress: &i.MAC, OwnerId: &c.Account, PrivateIpAddress: new(i.Address.String()), PrivateDnsName: new(dnsName(c.Region, i.Address)),
		RequesterManaged: new(i.Requester != ""), RequesterId: op.Opt(i.Requester), SourceDestCheck: new(i.Kind != network.ForNAT), Status: new(i.status()), TagSet: apiTags(tags.Value.Tags),
		Groups: []ec2.GroupIdentifier{}, Ipv6Addresses: []ec2.NetworkInterfaceIpv6Address{},
	}
	if i.Public.IsValid() {
		public := i.Public.String()
		out.Association = &ec2.NetworkInterfaceAssociation{
			PublicIp: &public, PublicDnsName: new(publicName(c.Region, public)), AllocationId: op.Opt(i.Allocation), AssociationId: op.Opt(i.Association), IpOwnerId: new("amazon"),
		}
		if i.Allocation != "" {
			out.Association.IpOwnerId = &c.Account
		}
	}
	out.PrivateIpAddresses = []ec2.NetworkInterfacePrivateIpAddress{{Primary: new(true), PrivateIpAddress: out.PrivateIpAddress, PrivateDnsName: out.PrivateDnsName, Association: out.Association}}
	if i.Requester != "" {
		out.Attachment = &ec2.NetworkInterfaceAttachment{
			AttachmentId: new("eni-attach" + strings.TrimPrefix(i.ID, "eni")), AttachTime: op.At(i.CreatedAt), DeleteOnTermination: new(false), DeviceIndex: new(int32(1)),
			InstanceOwnerId: new("amazon-aws"), Status: new("attached"),
		}
	}
	for _, id := range i.Groups {
		g, err := find(ctx, r, s.groups, c.Scope, id, noGroup(id))
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, ec2.GroupIdentifier{GroupId: &g.Value.ID, GroupName: &g.Value.Name})
	}
	return out, nil
}

func (i Interface) facets(c op.Caller) facets {
	f := facets{
		"network-interface-id": {i.ID}, "vpc-id": {i.VPC}, "subnet-id": {i.Subnet}, "availability-zone": {i.Zone}, "description": {i.Description}, "group-id": i.Groups,
		"mac-address": {i.MAC}, "owner-id": {c.Account}, "private-ip-address": {i.Address.String()}, "addresses.private-ip-address": {i.Address.String()},
		"requester-id": {i.Requester}, "requester-managed": truth(i.Requester != ""), "status": {i.status()}, "interface-type": {i.kind()}, "source-dest-check": {"true"},
		"association.public-ip": nil, "association.allocation-id": nil, "association.association-id": nil, "addresses.association.public-ip": nil,
		"attachment.instance-owner-id": nil, "attachment.status": nil, "attachment.attachment-id": nil, "attachment.instance-id": nil, "private-dns-name": nil,
		"attachment.device-index": nil, "ipv6-addresses.ipv6-address": nil, "operator.managed": {"false"},
	}
	if i.Address.IsValid() {
		f["private-dns-name"] = []string{dnsName(c.Region, i.Address)}
	}
	if i.Public.IsValid() {
		f["association.public-ip"], f["addresses.association.public-ip"] = []string{i.Public.String()}, []string{i.Public.String()}
		f["association.allocation-id"], f["association.association-id"] = []string{i.Allocation}, []string{i.Association}
	}
	if i.Requester != "" {
		f["attachment.instance-owner-id"], f["attachment.status"] = []string{"amazon-aws"}, []string{"attached"}
		f["attachment.attachment-id"] = []string{"eni-attach" + strings.TrimPrefix(i.ID, "eni")}
	}
	return f
}
