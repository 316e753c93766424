package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/penstock-ci/penstock/internal/host/baseimage"
)

// site is an ECS service of two tasks behind a load balancer. Each task answers with
// the version in its environment, as the demo's load expects it.
type site struct {
	in            *installation
	subnets       []string
	targets       string
	address, host string // to dial, and the Host header
}

const (
	siteName  = "site"
	siteTasks = 2
	sitePort  = 8080
)

// siteProgram answers /stream in 17 parts, everything else at once. It ends on SIGTERM
// without waiting: a task is stopped only when it has no request left.
const siteProgram = `
import http.server, os, signal, time
VERSION = os.environ["VERSION"]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, timeout, wbufsize = "HTTP/1.1", 65, -1
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-Version", VERSION)
        if self.path != "/stream":
            self.send_header("Content-Length", len(VERSION))
            self.end_headers()
            self.wfile.write(VERSION.encode())
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(17):
            self.wfile.write(b"5\r\nline\n\r\n")
            self.wfile.flush()
            time.sleep(0.05)
        self.wfile.write(b"0\r\n\r\n")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server(("", 8080), Handler).serve_forever()
`

// site makes it, with version "" running.
func (in *installation) site(t *testing.T) *site {
	t.Helper()
	s := &site{in: in}
	operator, err := in.server.Operator()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := operator.MirrorAdd(t.Context(), baseimage.PythonAlias); err != nil {
		t.Fatalf("put the tasks' image into the mirror: %v", err)
	}
	vpc := s.network(t)
	dns := s.balancer(t, vpc)
	s.service(t)
	if err := s.rolled(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	urls, err := operator.URL(t.Context(), dns)
	if err != nil {
		t.Fatal(err)
	}
	s.address, s.host = urls[0].Address, urls[0].Host
	return s
}

func (s *site) network(t *testing.T) (vpc string) {
	t.Helper()
	made, err := s.in.aws.EC2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: new("10.20.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		subnet, err := s.in.aws.EC2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{
			VpcId: made.Vpc.VpcId, CidrBlock: new(fmt.Sprintf("10.20.%d.0/24", i)), AvailabilityZone: new(s.in.env.Region + string(rune('a'+i))),
		})
		if err != nil {
			t.Fatal(err)
		}
		s.subnets = append(s.subnets, *subnet.Subnet.SubnetId)
	}
	gateway, err := s.in.aws.EC2.CreateInternetGateway(t.Context(), &ec2.CreateInternetGatewayInput{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.in.aws.EC2.AttachInternetGateway(t.Context(), &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway.InternetGateway.InternetGatewayId, VpcId: made.Vpc.VpcId})
	if err != nil {
		t.Fatal(err)
	}
	return *made.Vpc.VpcId
}

// balancer and tasks are in the VPC's default security group, whose members reach each other.
func (s *site) balancer(t *testing.T, vpc string) (dns string) {
	t.Helper()
	client := s.in.aws.ELB
	balancer, err := client.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: new(siteName), Subnets: s.subnets})
	if err != nil {
		t.Fatal(err)
	}
	group, err := client.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{
		Name: new(siteName), VpcId: &vpc, TargetType: elbtypes.TargetTypeEnumIp, Protocol: elbtypes.ProtocolEnumHttp, Port: new(int32(sitePort)),
		HealthCheckIntervalSeconds: new(int32(5)), HealthCheckTimeoutSeconds: new(int32(3)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.targets = *group.TargetGroups[0].TargetGroupArn
	// Above a streamed answer's second: what is in flight may end, on a busy machine, too.
	_, err = client.ModifyTargetGroupAttributes(t.Context(), &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &s.targets, Attributes: []elbtypes.TargetGroupAttribute{{Key: new("deregistration_delay.timeout_seconds"), Value: new("10")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateListener(t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: balancer.LoadBalancers[0].LoadBalancerArn, Protocol: elbtypes.ProtocolEnumHttp, Port: new(int32(80)),
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &s.targets}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *balancer.LoadBalancers[0].DNSName
}

func (s *site) service(t *testing.T) {
	t.Helper()
	if _, err := s.in.aws.ECS.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: new(siteName)}); err != nil {
		t.Fatal(err)
	}
	definition, err := s.define(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.in.aws.ECS.CreateService(t.Context(), &ecs.CreateServiceInput{
		Cluster: new(siteName), ServiceName: new(siteName), TaskDefinition: &definition, DesiredCount: new(int32(siteTasks)), LaunchType: types.LaunchTypeFargate,
		LoadBalancers:        []types.LoadBalancer{{TargetGroupArn: &s.targets, ContainerName: new("web"), ContainerPort: new(int32(sitePort))}},
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: s.subnets}},
		DeploymentConfiguration: &types.DeploymentConfiguration{
			MinimumHealthyPercent: new(int32(100)), MaximumPercent: new(int32(200)),
			DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// define registers the task definition of a version and returns its ARN.
func (s *site) define(ctx context.Context, version string) (string, error) {
	out, err := s.in.aws.ECS.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: new(siteName), NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		Cpu: new("256"), Memory: new("512"),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: new("web"), Image: new(baseimage.PythonAlias), Essential: new(true), Command: []string{"python3", "-c", siteProgram},
			PortMappings: []types.PortMapping{{ContainerPort: new(int32(sitePort)), Protocol: types.TransportProtocolTcp}},
			Environment:  []types.KeyValuePair{{Name: new("VERSION"), Value: &version}},
		}},
	})
	if err != nil {
		return "", err
	}
	return *out.TaskDefinition.TaskDefinitionArn, nil
}

// update begins the rollout of a version.
func (s *site) update(ctx context.Context, version string) error {
	definition, err := s.define(ctx, version)
	if err != nil {
		return err
	}
	_, err = s.in.aws.ECS.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: new(siteName), Service: new(siteName), TaskDefinition: &definition})
	return err
}

// rolled waits until the service runs nothing but the version's tasks.
func (s *site) rolled(ctx context.Context, version string) error {
	var seen string
	err := until(ctx, "the rollout's end", func() (bool, error) {
		got, err := s.in.aws.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: new(siteName), Services: []string{siteName}})
		if err != nil {
			return false, err
		}
		service := got.Services[0]
		seen = ""
		for _, d := range service.Deployments {
			seen += fmt.Sprintf("\n  deployment %s of %s: %s (%s), %d running, %d pending, %d failed", *d.Status, *d.TaskDefinition, d.RolloutState, *d.RolloutStateReason, d.RunningCount, d.PendingCount, d.FailedTasks)
		}
		for _, e := range service.Events[:min(5, len(service.Events))] {
			seen += "\n  " + e.CreatedAt.Format(time.TimeOnly) + " " + *e.Message
		}
		d := service.Deployments[0]
		return len(service.Deployments) == 1 && d.RolloutState == types.DeploymentRolloutStateCompleted && service.RunningCount == siteTasks && service.PendingCount == 0, nil
	})
	if err != nil {
		return fmt.Errorf("version %q: %w; the service is%s", version, err, seen)
	}
	return nil
}

// tasks are all that were ever started, by task definition.
func (s *site) tasks(ctx context.Context) (map[string][]types.Task, error) {
	var all []string
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		pages := ecs.NewListTasksPaginator(s.in.aws.ECS, &ecs.ListTasksInput{Cluster: new(siteName), ServiceName: new(siteName), DesiredStatus: status})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			all = append(all, page.TaskArns...)
		}
	}
	out := map[string][]types.Task{}
	for some := range slices.Chunk(all, 100) { // DescribeTasks takes no more
		got, err := s.in.aws.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: new(siteName), Tasks: some})
		if err != nil {
			return nil, err
		}
		for _, task := range got.Tasks {
			out[*task.TaskDefinitionArn] = append(out[*task.TaskDefinitionArn], task)
		}
	}
	return out, nil
}
