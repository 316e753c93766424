package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// regions are those that are enabled without opting in.
var regions = []string{
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1",
	"eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// zones are a region's: three, one machine though they are.
func zones(region string) []string { return []string{region + "a", region + "b", region + "c"} }

// zoneID is us-east-1a → use1-az1.
func zoneID(zone string) string {
	if zone == "" {
		return ""
	}
	region, letter := zone[:len(zone)-1], zone[len(zone)-1]
	p := strings.Split(region, "-")
	if len(p) != 3 {
		return region + "-az" + string('1'+letter-'a')
	}
	direction := map[string]string{"northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw"}[p[1]]
	if direction == "" {
		direction = p[1][:1]
	}
	return p[0] + direction + p[2] + "-az" + string('1'+letter-'a')
}

func chooseZone(region, name, id string) (string, error) {
	all := zones(region)
	for _, z := range all {
		if name == z || name == "" && id == zoneID(z) {
			return z, nil
		}
	}
	if name != "" || id != "" {
		return "", invalid("Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.", name+id, strings.Join(all, ", "))
	}
	return all[0], nil
}

func (s *Service) describeZones(_ context.Context, _ store.Reader, c op.Caller, in *ec2.DescribeAvailabilityZonesInput) (*ec2.DescribeAvailabilityZonesOutput, error) {
	all := zones(c.Region)
	if len(in.ZoneIds) > 0 {
		all = slices.DeleteFunc(all, func(z string) bool { return !slices.Contains(in.ZoneIds, zoneID(z)) })
	}
	group := c.Region
	found, _, err := answer(question{ids: in.ZoneNames, filters: in.Filters}, all, func(z string) string { return z }, func(z string) facets {
		return facets{
			"zone-name": {z}, "zone-id": {zoneID(z)}, "state": {"available"}, "region-name": {c.Region}, "group-name": {group}, "zone-type": {"availability-zone"},
			"opt-in-status": {"opt-in-not-required"}, "network-border-group": {c.Region}, "message": nil, "parent-zone-name": nil, "parent-zone-id": nil,
		}
	}, func(z string) *op.Error { return invalid("Invalid availability zone: [%s]", z) })
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeAvailabilityZonesOutput{AvailabilityZones: []ec2.AvailabilityZone{}}
	for _, z := range found {
		out.AvailabilityZones = append(out.AvailabilityZones, ec2.AvailabilityZone{
			ZoneName: &z, ZoneId: new(zoneID(z)), RegionName: &c.Region, State: new("available"), OptInStatus: new("opt-in-not-required"),
			GroupName: &group, NetworkBorderGroup: &c.Region, ZoneType: new("availability-zone"),
		})
	}
	return out, nil
}

func (s *Service) describeRegions(_ context.Context, _ store.Reader, _ op.Caller, in *ec2.DescribeRegionsInput) (*ec2.DescribeRegionsOutput, error) {
	endpoint := func(r string) string { return "ec2." + r + ".amazonaws.com" }
	found, _, err := answer(question{ids: in.RegionNames, filters: in.Filters}, slices.Clone(regions), func(r string) string { return r }, func(r string) facets {
		return facets{"region-name": {r}, "endpoint": {endpoint(r)}, "opt-in-status": {"opt-in-not-required"}}
	}, func(r string) *op.Error { return invalid("Invalid region provided: %s", r) })
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeRegionsOutput{Regions: []ec2.Region{}}
	for _, r := range found {
		out.Regions = append(out.Regions, ec2.Region{RegionName: &r, Endpoint: new(endpoint(r)), OptInStatus: new("opt-in-not-required")})
	}
	return out, nil
}
