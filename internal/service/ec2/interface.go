package ec2

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Interface is a network interface.
type Interface struct {
	ID, VPC, Subnet, Zone   string
	Kind                    network.Kind
	Address                 netip.Addr
	MAC                     string
	Groups                  []string
	Description             string
	Requester               string // the service that asked for it; "" = a user
	Public                  netip.Addr
	Allocation, Association string // of Public; Allocation "" = taken for the interface alone
	CreatedAt               time.Time
}

const (
	balancing = "elasticloadbalancing.amazonaws.com"
	maxGroups = 5
)

func (s *Service) putInterface(ctx context.Context, tx store.Tx, d store.Doc[Interface]) error {
	if err := save(ctx, tx, s.interfaces, d); err != nil {
		return err
	}
	i := d.Value
	return must(s.d.Records.PutInterface(ctx, tx, network.Interface{
		ID: i.ID, VPC: i.VPC, Subnet: i.Subnet, Kind: i.Kind, Address: i.Address, Public: i.Public, MAC: i.MAC, Groups: i.Groups,
	}))
}

func (s *Service) createInterface(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.CreateNetworkInterfaceInput) (*ec2.CreateNetworkInterfaceOutput, error) {
	if op.Val(in.Ipv6AddressCount) > 0 || len(in.Ipv6Addresses) > 0 || op.Val(in.SecondaryPrivateIpAddressCount) > 0 || len(in.PrivateIpAddresses) > 1 || in.InterfaceType != nil {
		return nil, refused("IPv6 addresses, secondary addresses and interface types are not supported")
	}
	if err := s.open(ctx, tx, c.Scope); err != nil {
		return nil, err
	}
	sub, err := find(ctx, tx, s.subnets, c.Scope, op.Val(in.SubnetId), noSubnet(op.Val(in.SubnetId)))
	if err != nil {
		return nil, err
	}
	i := Interface{
		ID: newID(c, "eni", ""), VPC: sub.Value.VPC, Subnet: sub.Key, Zone: sub.Value.Zone, Kind: network.ForPod,
		Description: op.Val(in.Description), Requester: c.Service, CreatedAt: s.d.Clock.Now(),
	}
	if c.Service == balancing {
		i.Kind = network.ForLoadBalancer
	}
	if i.Groups, err = s.chooseGroups(ctx, tx, c.Scope, i.VPC, in.Groups); err != nil {
		return nil, err
	}
	wanted := op.Val(in.PrivateIpAddress)
	if len(in.PrivateIpAddresses) == 1 && wanted == "" {
		wanted = op.Val(in.PrivateIpAddresses[0].PrivateIpAddress)
	}
	if i.Address, err = s.chooseAddress(ctx, tx, sub, wanted); err != nil {
		return nil, err
	}
	i.MAC = mac(i.ID)
	d := store.Doc[Interface]{Scope: c.Scope, Key: i.ID, Value: i}
	if err := s.putInterface(ctx, tx, d); err != nil {
		return nil, err
	}
	if err := s.setTags(ctx, tx, c, i.ID, in.TagSpecifications); err != nil {
		return nil, err
	}
	out, err := s.showInterface(ctx, tx, c, i)
	if err == nil {
		out.Status = new("pending")
	}
	return &ec2.CreateNetworkInterfaceOutput{NetworkInterface: out, ClientToken: in.ClientToken}, err
}

// mac is a locally administered hardware address of the interface's own.
func mac(id string) string {
	h := ids.Hex(10, id)
	return fmt.Sprintf("0a:%s:%s:%s:%s:%s", h[:2], h[2:4], h[4:6], h[6:8], h[8:10])
}

// chooseGroups checks the groups, or takes the VPC's default one.
func (s *Service) chooseGroups(ctx context.Context, r store.Reader, scope store.Scope, vpc string, groups []string) ([]string, error) {
	if len(groups) == 0 {
		v, err := find(ctx, r, s.vpcs, scope, vpc, noVPC(vpc))
		return []string{v.Value.Group}, err
	}
	if len(groups) > maxGroups {
		return nil, fail("SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached.")
	}
	for _, id := range groups {
		g, err := find(ctx, r, s.groups, scope, id, noGroup(id))
		if err != nil {
			return nil, err
		}
		if g.Value.VPC != vpc {
			return nil, fail("InvalidParameter", "You have specified two resources that belong to different networks.")
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(groups))), nil
}

// chooseAddress takes the wanted address, or the first free one after the newest
// interface's, so that an address is not given to another at once.
func (s *Service) chooseAddress(ctx context.Context, r store.Reader, sub store.Doc[Subnet], wanted string) (netip.Addr, error) {
	docs, err := s.interfaces.List(ctx, r, sub.Scope, store.Query{Index: "subnet", Equal: sub.Key})
	if err != nil {
		return netip.Addr{}, err
	}
	used := map[netip.Addr]bool{}
	var newest Interface
	for _, d := range docs {
		used[d.Value.Address] = true
		if d.Value.CreatedAt.After(newest.CreatedAt) {
			newest = d.Value
		}
	}
	first, count := sub.Value.CIDR.Addr(), 1<<(32-sub.Value.CIDR.Bits())
	if wanted != "" {
		a, err := netip.ParseAddr(wanted)
		if err != nil || !sub.Value.CIDR.Contains(a) {
			return a, fail("InvalidParameterValue", "Address %s does not fall within the subnet's address range", wanted)
		}
		if offset := difference(first, a); offset < 4 || offset == count-1 {
			return a, invalid("Address %s is in subnet's reserved address range", wanted)
		}
		if used[a] {
			return a, fail("InvalidIPAddress.InUse", "The specified address is already in use.")
		}
		return a, nil
	}
	start := 4
	if newest.Address.IsValid() {
		start = difference(first, newest.Address) + 1
	}
	for n := range count - reserved {
		a := plus(first, 4+(start-4+n)%(count-reserved))
		if !used[a] {
			return a, nil
		}
	}
	return netip.Addr{}, fail("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses to satisfy the request.")
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func difference(from, to netip.Addr) int { return int(number(to)) - int(number(from)) }

func plus(a netip.Addr, n int) netip.Addr {
	v := number(a) + uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// dnsName is the private name AWS gives to an address.
func dnsName(region string, a netip.Addr) string {
	suffix := region + ".compute.internal"
	if region == "us-east-1" {
		suffix = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + suffix
}

func (s *Service) describeInterfaces(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeNetworkInterfacesInput) (*ec2.DescribeNetworkInterfacesOutput, error) {
	all, err := values(ctx, r, s.interfaces, c.Scope, "")
	if err != nil {
		return nil, err
	}
	tags, err := s.allTags(ctx, r, c.Scope)
	if err != nil {
		return nil, err
	}
	found, next, err := answer(question{in.NetworkInterfaceIds, in.Filters, in.MaxResults, in.NextToken}, all, func(i Interface) string { return i.ID }, func(i Interface) facets {
		return i.facets(c).with(tags[i.ID])
	}, noInterface)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeNetworkInterfacesOutput{NextToken: next, NetworkInterfaces: []ec2.NetworkInterface{}}
	for _, i := range found {
		a, err := s.showInterface(ctx, r, c, i)
		if err != nil {
			return nil, err
		}
		out.NetworkInterfaces = append(out.NetworkInterfaces, *a)
	}
	return out, nil
}

func (s *Service) interfaceAttribute(ctx context.Context, r store.Reader, c op.Caller, in *ec2.DescribeNetworkInterfaceAttributeInput) (*ec2.DescribeNetworkInterfaceAttributeOutput, error) {
	d, err := find(ctx, r, s.interfaces, c.Scope, op.Val(in.NetworkInterfaceId), noInterface(op.Val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	a, err := s.showInterface(ctx, r, c, d.Value)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeNetworkInterfaceAttributeOutput{NetworkInterfaceId: &d.Key}
	switch op.Val(in.Attribute) {
	case "groupSet":
		out.Groups = a.Groups
	case "sourceDestCheck":
		out.SourceDestCheck = &ec2.AttributeBooleanValue{Value: new(true)}
	case "attachment":
		out.Attachment = a.Attachment
	case "associatePublicIpAddress":
		out.AssociatePublicIpAddress = new(d.Value.Public.IsValid())
	default:
		out.Description = &ec2.AttributeValue{Value: &d.Value.Description}
	}
	return out, nil
}

func (s *Service) modifyInterface(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.ModifyNetworkInterfaceAttributeInput) (*ec2.ModifyNetworkInterfaceAttributeOutput, error) {
	d, err := find(ctx, tx, s.interfaces, c.Scope, op.Val(in.NetworkInterfaceId), noInterface(op.Val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	if in.SourceDestCheck != nil && !op.Or(in.SourceDestCheck.Value, true) {
		return nil, refused("The source/destination check cannot be switched off: every link admits its own address only")
	}
	if in.Description != nil {
		d.Value.Description = op.Val(in.Description.Value)
	}
	if len(in.Groups) > 0 {
		if d.Value.Groups, err = s.chooseGroups(ctx, tx, c.Scope, d.Value.VPC, in.Groups); err != nil {
			return nil, err
		}
	}
	if want := in.AssociatePublicIpAddress; want != nil && *want != d.Value.Public.IsValid() {
		if err := s.setPublic(ctx, tx, c, &d.Value, *want); err != nil {
			return nil, err
		}
	}
	return &ec2.ModifyNetworkInterfaceAttributeOutput{}, s.putInterface(ctx, tx, d)
}

// setPublic gives the interface a public address of its own, or takes that back.
func (s *Service) setPublic(ctx context.Context, tx store.Tx, c op.Caller, i *Interface, want bool) (err error) {
	if want {
		if i.Public, err = s.d.Records.TakePublic(ctx, tx, i.ID); err == nil {
			i.Association = newID(c, "eipassoc", "public")
		}
		return err
	}
	if i.Allocation != "" {
		return invalid("The public address of %s is an Elastic IP address: disassociate it", i.ID)
	}
	err = s.d.Records.ReturnPublic(ctx, tx, i.Public)
	i.Public, i.Association = netip.Addr{}, ""
	return err
}

func (s *Service) deleteInterface(ctx context.Context, tx store.Tx, c op.Caller, in *ec2.DeleteNetworkInterfaceInput) (*ec2.DeleteNetworkInterfaceOutput, error) {
	d, err := find(ctx, tx, s.interfaces, c.Scope, op.Val(in.NetworkInterfaceId), noInterface(op.Val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	if d.Value.Requester != "" && d.Value.Requester != c.Service {
		return nil, fail("InvalidParameterValue", "Network interface '%s' is currently in use.", d.Key)
	}
	return &ec2.DeleteNetworkInterfaceOutput{}, s.removeInterface(ctx, tx, d)
}

func (s *Service) removeInterface(ctx context.Context, tx store.Tx, d store.Doc[Interface]) error {
	if d.Value.Allocation != "" {
		a, err := find(ctx, tx, s.addresses, d.Scope, d.Value.Allocation, noAllocation(d.Value.Allocation))
		if err != nil {
			return err
		}
		a.Value.Interface, a.Value.Association = "", ""
		if err := save(ctx, tx, s.addresses, a); err != nil {
			return err
		}
	} else if d.Value.Public.IsValid() {
		if err := s.d.Records.ReturnPublic(ctx, tx, d.Value.Public); err != nil {
			return err
		}
	}
	if err := must(s.d.Records.DeleteInterface(ctx, tx, d.Key)); err != nil {
		return err
	}
	if err := s.untag(ctx, tx, d.Scope, d.Key); err != nil {
		return err
	}
	return drop(ctx, tx, s.interfaces, d)
}
