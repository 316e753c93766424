package ec2

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/op"
)

// Rule is one rule of a security group. From and To are ports, ICMP's type and
// code, or -1 for all.
type Rule struct {
	ID          string
	IsEgress    bool
	Protocol    string // tcp, udp, icmp, icmpv6, -1, or a number
	From, To    int
	Peer        Peer
	Description string
}

// Peer is the other side; one member is set. Rules for IPv6 are kept and shown;
// there is no IPv6 traffic that they could allow.
type Peer struct{ CIDR, CIDR6, Group, List string }

func (p Peer) String() string { return cmp.Or(p.CIDR, p.CIDR6, p.Group, p.List) }

// allows tells whether two rules are the same but for id and description.
func (r Rule) allows(o Rule) bool {
	return r.IsEgress == o.IsEgress && r.Protocol == o.Protocol && r.From == o.From && r.To == o.To && r.Peer == o.Peer
}

// String is the rule as AWS's errors name it.
func (r Rule) String() string {
	if r.Protocol == "-1" {
		return fmt.Sprintf("peer: %s, ALL, ALLOW", r.Peer)
	}
	return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", r.Peer, strings.ToUpper(r.Protocol), r.From, r.To)
}

func (r Rule) record(region string) network.Rule {
	out := network.Rule{ID: r.ID, Egress: r.IsEgress, Protocol: r.Protocol, From: r.From, To: r.To, Group: r.Peer.Group}
	switch {
	case r.Peer.CIDR != "":
		out.Peer, _ = netip.ParsePrefix(r.Peer.CIDR) // was checked when it came
	case r.Peer.CIDR6 != "":
		out.Peer, _ = netip.ParsePrefix(r.Peer.CIDR6)
	case r.Peer.List != "":
		out.Peer = netip.PrefixFrom(network.ServiceAddress, 32) // AWS's services are one address inside
	}
	return out
}

// form is the part of a request that describes rules in one of its ways.
type form struct {
	permissions                              []ec2.IpPermission
	protocol, cidr, sourceGroup, sourceOwner *string
	from, to                                 *int32
}

// rules reads a request; ids are given when they are stored.
func (f form) rules(c op.Caller, egress bool) ([]Rule, error) {
	all := f.permissions
	if f.protocol != nil || f.cidr != nil || f.sourceGroup != nil {
		one := ec2.IpPermission{IpProtocol: f.protocol, FromPort: f.from, ToPort: f.to}
		if f.cidr != nil {
			one.IpRanges = []ec2.IpRange{{CidrIp: f.cidr}}
		}
		if f.sourceGroup != nil {
			one.IpProtocol = new(op.Or(f.protocol, "-1"))
			one.UserIdGroupPairs = []ec2.UserIdGroupPair{{GroupName: f.sourceGroup, UserId: f.sourceOwner}}
		}
		all = append(slices.Clone(all), one)
	}
	if len(all) == 0 {
		return nil, missing("ipPermissions")
	}
	var out []Rule
	for _, p := range all {
		rules, err := expand(c, p, egress)
		if err != nil {
			return nil, err
		}
		out = append(out, rules...)
	}
	return out, nil
}

// expand makes one rule for each peer of p.
func expand(c op.Caller, p ec2.IpPermission, egress bool) (out []Rule, err error) {
	r := Rule{IsEgress: egress}
	if r.Protocol, r.From, r.To, err = ports(p.IpProtocol, p.FromPort, p.ToPort); err != nil {
		return nil, err
	}
	add := func(peer Peer, description *string) {
		r.Peer, r.Description = peer, op.Val(description)
		out = append(out, r)
	}
	for _, x := range p.IpRanges {
		cidr, err := parseCIDR(op.Val(x.CidrIp))
		if err != nil {
			return nil, err
		}
		add(Peer{CIDR: cidr}, x.Description)
	}
	for _, x := range p.Ipv6Ranges {
		six, err := netip.ParsePrefix(op.Val(x.CidrIpv6))
		if err != nil || six.Addr().Is4() {
			return nil, invalid("CIDR block %s is malformed", op.Val(x.CidrIpv6))
		}
		add(Peer{CIDR6: six.Masked().String()}, x.Description)
	}
	for _, x := range p.PrefixListIds {
		if !slices.ContainsFunc(prefixLists(c.Region), func(l [2]string) bool { return l[0] == op.Val(x.PrefixListId) }) {
			return nil, noPrefixList(op.Val(x.PrefixListId))
		}
		add(Peer{List: *x.PrefixListId}, x.Description)
	}
	for _, x := range p.UserIdGroupPairs {
		if x.UserId != nil && *x.UserId != c.Account {
			return nil, refused("Groups of other accounts are not supported in rules")
		}
		add(Peer{Group: cmp.Or(op.Val(x.GroupId), op.Val(x.GroupName))}, x.Description)
	}
	if len(out) == 0 {
		return nil, missing("ipRanges, ipv6Ranges, prefixListIds or groups")
	}
	return out, nil
}

func parseCIDR(text string) (string, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		return "", invalid("CIDR block %s is malformed", text)
	}
	return p.Masked().String(), nil
}

// ports normalises a protocol and its range.
func ports(protocol *string, from, to *int32) (string, int, int, error) {
	name := strings.ToLower(op.Val(protocol))
	name = cmp.Or(map[string]string{"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}[name], name)
	a, b := int(op.Or(from, -1)), int(op.Or(to, -1))
	switch name {
	case "":
		return "", 0, 0, missing("ipProtocol")
	case "tcp", "udp":
		if a == -1 && b == -1 && from != nil {
			return name, 0, 65535, nil
		}
		if from == nil || to == nil {
			return "", 0, 0, invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		if a < 0 || b > 65535 || a > b {
			return "", 0, 0, invalid("Invalid TCP/UDP port range (%d:%d)", a, b)
		}
		return name, a, b, nil
	case "icmp", "icmpv6":
		if a < -1 || a > 255 || b < -1 || b > 255 {
			return "", 0, 0, invalid("ICMP code (%d) out of range", b)
		}
		return name, a, b, nil
	case "-1":
		return name, -1, -1, nil
	}
	if n, err := strconv.Atoi(name); err != nil || n < 0 || n > 255 {
		return "", 0, 0, invalid("Invalid value '%s' for IP protocol. Unknown protocol.", op.Val(protocol))
	}
	return name, -1, -1, nil
}

// permissions are rules gathered by protocol and range, as DescribeSecurityGroups shows them.
// Clients expect each of its lists, empty or not.
func permissions(account string, rules []Rule, egress bool) []ec2.IpPermission {
	out := []ec2.IpPermission{}
	for _, r := range rules {
		if r.IsEgress != egress {
			continue
		}
		i := slices.IndexFunc(out, func(p ec2.IpPermission) bool {
			return *p.IpProtocol == r.Protocol && op.Or(p.FromPort, -1) == int32(r.From) && op.Or(p.ToPort, -1) == int32(r.To)
		})
		if i < 0 {
			p := ec2.IpPermission{IpProtocol: &r.Protocol, IpRanges: []ec2.IpRange{}, Ipv6Ranges: []ec2.Ipv6Range{}, PrefixListIds: []ec2.PrefixListId{}, UserIdGroupPairs: []ec2.UserIdGroupPair{}}
			if r.Protocol != "-1" {
				p.FromPort, p.ToPort = new(int32(r.From)), new(int32(r.To))
			}
			out, i = append(out, p), len(out)
		}
		p, description := &out[i], op.Opt(r.Description)
		switch {
		case r.Peer.CIDR != "":
			p.IpRanges = append(p.IpRanges, ec2.IpRange{CidrIp: &r.Peer.CIDR, Description: description})
		case r.Peer.CIDR6 != "":
			p.Ipv6Ranges = append(p.Ipv6Ranges, ec2.Ipv6Range{CidrIpv6: &r.Peer.CIDR6, Description: description})
		case r.Peer.List != "":
			p.PrefixListIds = append(p.PrefixListIds, ec2.PrefixListId{PrefixListId: &r.Peer.List, Description: description})
		default:
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, ec2.UserIdGroupPair{GroupId: &r.Peer.Group, UserId: &account, Description: description})
		}
	}
	return out
}

func (r Rule) api(c op.Caller, group string, tags map[string]string) ec2.SecurityGroupRule {
	out := ec2.SecurityGroupRule{
		SecurityGroupRuleId: &r.ID, GroupId: &group, GroupOwnerId: &c.Account, IsEgress: &r.IsEgress, IpProtocol: &r.Protocol, FromPort: new(int32(r.From)), ToPort: new(int32(r.To)),
		CidrIpv4: op.Opt(r.Peer.CIDR), CidrIpv6: op.Opt(r.Peer.CIDR6), PrefixListId: op.Opt(r.Peer.List), Description: op.Opt(r.Description), Tags: apiTags(tags),
		SecurityGroupRuleArn: new(arn.New("ec2", c.Region, c.Account, "security-group-rule/"+r.ID)),
	}
	if r.Peer.Group != "" {
		out.ReferencedGroupInfo = &ec2.ReferencedSecurityGroup{GroupId: &r.Peer.Group, UserId: &c.Account}
	}
	return out
}
