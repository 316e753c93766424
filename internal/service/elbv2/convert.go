package elbv2

import (
	"github.com/penstock-ci/penstock/internal/op"

	api "github.com/penstock-ci/penstock/api/elbv2"
)

// hostedZone is what AWS gives for application load balancers in us-east-1.
const hostedZone = "Z35SXDOTRQ7X7K"

func (b Balancer) api() api.LoadBalancer {
	out := api.LoadBalancer{
		LoadBalancerArn: new(b.ARN), LoadBalancerName: new(b.Name), DNSName: new(b.DNSName), CanonicalHostedZoneId: new(hostedZone),
		CreatedTime: op.At(b.Created), Scheme: new(b.Scheme), Type: new(b.Type), VpcId: new(b.VPC), IpAddressType: new(b.IPAddressType),
		State: &api.LoadBalancerState{Code: new(b.State), Reason: op.Opt(b.Reason)}, SecurityGroups: b.Groups,
	}
	for _, s := range b.Subnets {
		out.AvailabilityZones = append(out.AvailabilityZones, api.AvailabilityZone{
			ZoneName: new(s.Zone), SubnetId: new(s.ID), LoadBalancerAddresses: []api.LoadBalancerAddress{},
		})
	}
	return out
}

func (b Balancer) attributesAPI() (out []api.LoadBalancerAttribute) {
	for _, k := range b.Attributes.keys() {
		out = append(out, api.LoadBalancerAttribute{Key: new(k), Value: new(b.Attributes[k])})
	}
	return out
}

func (g Group) attributesAPI() (out []api.TargetGroupAttribute) {
	for _, k := range g.Attributes.keys() {
		out = append(out, api.TargetGroupAttribute{Key: new(k), Value: new(g.Attributes[k])})
	}
	return out
}

func (g Group) api() api.TargetGroup {
	k := g.Check
	out := api.TargetGroup{
		TargetGroupArn: new(g.ARN), TargetGroupName: new(g.Name), Protocol: new(g.Protocol), Port: new(g.Port), VpcId: new(g.VPC),
		HealthCheckEnabled: new(true), HealthCheckProtocol: new(k.Protocol), HealthCheckPort: new(k.Port), HealthCheckPath: op.Opt(k.Path),
		HealthCheckIntervalSeconds: new(k.Interval), HealthCheckTimeoutSeconds: new(k.Timeout),
		HealthyThresholdCount: new(k.Healthy), UnhealthyThresholdCount: new(k.Unhealthy),
		LoadBalancerArns: []string{}, TargetType: new("ip"), IpAddressType: new("ipv4"),
	}
	if g.Protocol == "HTTP" {
		out.ProtocolVersion = new("HTTP1")
	}
	if k.Codes != "" {
		out.Matcher = &api.Matcher{HttpCode: new(k.Codes)}
	}
	if g.Balancer != "" {
		out.LoadBalancerArns = []string{g.Balancer}
	}
	return out
}
