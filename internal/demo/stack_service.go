package demo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

func (s *Stack) makeBalancer(ctx context.Context) error {
	balancer, err := s.aws.ELB.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: new(name), Subnets: s.public, SecurityGroups: []string{s.balancerGroup}})
	if err != nil {
		return wrap(err, "create the load balancer")
	}
	s.balancer, s.balancerDNS = *balancer.LoadBalancers[0].LoadBalancerArn, *balancer.LoadBalancers[0].DNSName
	targets, err := s.aws.ELB.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: new(name), VpcId: &s.vpc, TargetType: types.TargetTypeEnumIp, Protocol: types.ProtocolEnumHttp, Port: new(int32(port)),
		HealthCheckPath: new("/healthz"), HealthCheckIntervalSeconds: new(int32(5)), HealthCheckTimeoutSeconds: new(int32(3)),
		HealthyThresholdCount: new(int32(2)), UnhealthyThresholdCount: new(int32(2)),
	})
	if err != nil {
		return wrap(err, "create the target group")
	}
	s.targets = *targets.TargetGroups[0].TargetGroupArn
	// Above the streamed response of eight seconds: what is in flight may end.
	_, err = s.aws.ELB.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &s.targets,
		Attributes:     []types.TargetGroupAttribute{{Key: new("deregistration_delay.timeout_seconds"), Value: new("15")}},
	})
	if err != nil {
		return wrap(err, "set the deregistration delay")
	}
	_, err = s.aws.ELB.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &s.balancer, Protocol: types.ProtocolEnumHttp, Port: new(int32(80)),
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: &s.targets}},
	})
	return wrap(err, "create the listener")
}

func (s *Stack) makeService(ctx context.Context) error {
	cluster, err := s.aws.ECS.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: new(name)})
	if err != nil {
		return wrap(err, "create the cluster")
	}
	s.cluster = *cluster.Cluster.ClusterArn
	definition, err := s.aws.ECS.RegisterTaskDefinition(ctx, s.taskDefinition())
	if err != nil {
		return wrap(err, "register the task definition")
	}
	_, err = s.aws.ECS.CreateService(ctx, &ecs.CreateServiceInput{
		Cluster: &s.cluster, ServiceName: new(name), TaskDefinition: definition.TaskDefinition.TaskDefinitionArn,
		LaunchType:   ecstypes.LaunchTypeFargate,
		DesiredCount: new(int32(0)), // until the first image exists
		LoadBalancers: []ecstypes.LoadBalancer{{
			TargetGroupArn: &s.targets, ContainerName: new("web"), ContainerPort: new(int32(port)),
		}},
		NetworkConfiguration: &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{
			Subnets: s.private, SecurityGroups: []string{s.appGroup}, AssignPublicIp: ecstypes.AssignPublicIpDisabled,
		}},
		DeploymentConfiguration: &ecstypes.DeploymentConfiguration{
			MinimumHealthyPercent: new(int32(100)), MaximumPercent: new(int32(200)),
			DeploymentCircuitBreaker: &ecstypes.DeploymentCircuitBreaker{Enable: true, Rollback: true},
		},
	})
	return wrap(err, "create the service")
}

func (s *Stack) taskDefinition() *ecs.RegisterTaskDefinitionInput {
	return &ecs.RegisterTaskDefinitionInput{
		Family: new(name), NetworkMode: ecstypes.NetworkModeAwsvpc, RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
		Cpu: new("256"), Memory: new("512"), ExecutionRoleArn: &s.executionRole,
		ContainerDefinitions: []ecstypes.ContainerDefinition{{
			Name: new("web"), Image: new(s.repositoryURI + ":none-yet"), Essential: new(true),
			PortMappings: []ecstypes.PortMapping{{ContainerPort: new(int32(port)), Protocol: ecstypes.TransportProtocolTcp}},
			Secrets:      []ecstypes.Secret{{Name: new("DATABASE_URL"), ValueFrom: &s.secret}},
			LogConfiguration: &ecstypes.LogConfiguration{LogDriver: ecstypes.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": s.log, "awslogs-region": s.env.Region, "awslogs-stream-prefix": "web",
			}},
		}},
	}
}

// scale sets the desired count, once the first image exists.
func (s *Stack) scale(ctx context.Context, count int32) error {
	_, err := s.aws.ECS.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &s.cluster, Service: new(name), DesiredCount: &count})
	return wrap(err, "set the service's desired count to %d", count)
}
