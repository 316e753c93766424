package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/penstock-ci/penstock/internal/host/baseimage"
)

// shop is the installation with what runs on it.
type shop struct {
	*installation
	docker  *dockerd
	network *ecstypes.NetworkConfiguration // of tasks
	address string                         // of the site, with the Host that it is asked by
	host    string
	row     string // what the database holds
	place   string // the database's address in the VPC
}

const shopName = "shop"

// program answers GET with the row and POST by writing it. Its health does not depend
// on the database, so that each fault is seen by itself.
const program = `
import http.server, os, psycopg2
def query(sql, *args):
    connection = psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=2)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql, args)
        return cursor.fetchall() if cursor.description else []
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, ask):
        try: status, body = 200, ask()
        except Exception as err: status, body = 500, str(err)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())
    def do_GET(self):
        self.answer(lambda: "ok" if self.path == "/healthz" else query("SELECT text FROM notes")[0][0])
    def do_POST(self):
        note = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(lambda: str(query("CREATE TABLE notes (text text); INSERT INTO notes VALUES (%s)", note)))
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
`

func (s *shop) open(t *testing.T) {
	t.Helper()
	operator, err := s.server.Operator()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := operator.MirrorAdd(t.Context(), baseimage.Debian); err != nil {
		t.Fatal(err)
	}
	vpc, err := s.aws.EC2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: new("10.40.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := s.aws.EC2.CreateInternetGateway(t.Context(), &ec2.CreateInternetGatewayInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.aws.EC2.AttachInternetGateway(t.Context(), &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway.InternetGateway.InternetGatewayId, VpcId: vpc.Vpc.VpcId}); err != nil {
		t.Fatal(err)
	}
	var subnets []string
	for i, zone := range []string{"a", "b"} {
		made, err := s.aws.EC2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{
			VpcId: vpc.Vpc.VpcId, CidrBlock: new(fmt.Sprintf("10.40.%d.0/24", i)), AvailabilityZone: new(s.env.Region + zone),
		})
		if err != nil {
			t.Fatal(err)
		}
		subnets = append(subnets, *made.Subnet.SubnetId)
	}
	group, err := s.aws.EC2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{VpcId: vpc.Vpc.VpcId, GroupName: new(shopName), Description: new("all of the shop")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.aws.EC2.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: []ec2types.IpPermission{
		{IpProtocol: new("-1"), IpRanges: []ec2types.IpRange{{CidrIp: new("0.0.0.0/0")}}},
	}}); err != nil {
		t.Fatal(err)
	}
	url := s.makeDatabase(t, subnets, *group.GroupId)
	s.makeSite(t, *vpc.Vpc.VpcId, subnets, *group.GroupId, url)
	s.role(t)
	s.row = "written before the faults"
	err = until(t.Context(), "the site's first answer", func() (bool, error) {
		_, err := s.ask("POST", s.row)
		return err == nil, nil
	})
	if err != nil {
		s.tell(t)
		t.Fatal(err)
	}
	s.place = s.databaseAddress(t)
	s.steady(t)
}

func (s *shop) makeDatabase(t *testing.T, subnets []string, group string) (url string) {
	t.Helper()
	if _, err := s.aws.RDS.CreateDBSubnetGroup(t.Context(), &rds.CreateDBSubnetGroupInput{DBSubnetGroupName: new(shopName), DBSubnetGroupDescription: new(shopName), SubnetIds: subnets}); err != nil {
		t.Fatal(err)
	}
	_, err := s.aws.RDS.CreateDBInstance(t.Context(), &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: new(shopName), DBInstanceClass: new("db.t3.micro"), Engine: new("postgres"), AllocatedStorage: new(int32(20)),
		MasterUsername: new(shopName), MasterUserPassword: new("long-enough"), DBName: new(shopName),
		DBSubnetGroupName: new(shopName), VpcSecurityGroupIds: []string{group},
	})
	if err != nil {
		t.Fatal(err)
	}
	var host string
	err = until(t.Context(), "the database's endpoint", func() (bool, error) {
		found, err := s.aws.RDS.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new(shopName)})
		if err == nil && found.DBInstances[0].Endpoint != nil {
			host = *found.DBInstances[0].Endpoint.Address
		}
		return host != "", err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("postgresql://%s:long-enough@%s:5432/%s", shopName, host, shopName)
}

func (s *shop) makeSite(t *testing.T, vpc string, subnets []string, group, url string) {
	t.Helper()
	balancer, err := s.aws.ELB.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: new(shopName), Subnets: subnets, SecurityGroups: []string{group}})
	if err != nil {
		t.Fatal(err)
	}
	targets, err := s.aws.ELB.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{
		Name: new(shopName), VpcId: &vpc, TargetType: elbtypes.TargetTypeEnumIp, Protocol: elbtypes.ProtocolEnumHttp, Port: new(int32(8080)),
		HealthCheckPath: new("/healthz"), HealthCheckIntervalSeconds: new(int32(5)), HealthCheckTimeoutSeconds: new(int32(2)), HealthyThresholdCount: new(int32(2)),
	})
	if err != nil {
		t.Fatal(err)
	}
	pool := targets.TargetGroups[0].TargetGroupArn
	if _, err := s.aws.ELB.ModifyTargetGroupAttributes(t.Context(), &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: pool, Attributes: []elbtypes.TargetGroupAttribute{{Key: new("deregistration_delay.timeout_seconds"), Value: new("1")}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.aws.ELB.CreateListener(t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: balancer.LoadBalancers[0].LoadBalancerArn, Protocol: elbtypes.ProtocolEnumHttp, Port: new(int32(80)),
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: pool}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.aws.ECS.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: new(shopName)}); err != nil {
		t.Fatal(err)
	}
	definition, err := s.aws.ECS.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: new(shopName), NetworkMode: ecstypes.NetworkModeAwsvpc, RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate}, Cpu: new("256"), Memory: new("512"),
		// What has ended is what a prune of the Engine takes.
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: new("first"), Image: new(baseimage.PythonAlias), Essential: new(false), Command: []string{"true"}}, {
			DependsOn: []ecstypes.ContainerDependency{{ContainerName: new("first"), Condition: ecstypes.ContainerConditionSuccess}},
			Name:      new("web"), Image: new(baseimage.PythonAlias), Essential: new(true), Command: []string{"python3", "-c", program}, StopTimeout: new(int32(2)),
			PortMappings: []ecstypes.PortMapping{{ContainerPort: new(int32(8080))}}, Environment: []ecstypes.KeyValuePair{{Name: new("DATABASE_URL"), Value: &url}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.network = &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{Subnets: subnets, SecurityGroups: []string{group}}}
	if _, err := s.aws.ECS.CreateService(t.Context(), &ecs.CreateServiceInput{
		Cluster: new(shopName), ServiceName: new(shopName), TaskDefinition: definition.TaskDefinition.TaskDefinitionArn, LaunchType: ecstypes.LaunchTypeFargate, DesiredCount: new(int32(2)),
		LoadBalancers:        []ecstypes.LoadBalancer{{TargetGroupArn: pool, ContainerName: new("web"), ContainerPort: new(int32(8080))}},
		NetworkConfiguration: s.network,
	}); err != nil {
		t.Fatal(err)
	}
	operator, err := s.server.Operator()
	if err != nil {
		t.Fatal(err)
	}
	err = until(t.Context(), "the site's address", func() (bool, error) {
		found, err := operator.URL(t.Context(), shopName)
		if err == nil {
			s.address, s.host = found[0].Address, found[0].Host
		}
		return err == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ask is one request to the site on a connection of its own.
func (s *shop) ask(method, body string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+"/", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Host, r.Close = s.host, true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", answer.StatusCode, text)
	}
	return string(text), err
}

// steady waits until all is as it shall be.
func (s *shop) steady(t *testing.T) {
	t.Helper()
	var lacks error
	err := until(t.Context(), "a steady shop", func() (bool, error) {
		lacks = s.lacks(t.Context())
		return lacks == nil, nil
	})
	if err != nil {
		s.tell(t)
		t.Fatalf("%v: %v", err, lacks)
	}
	if now := s.databaseAddress(t); now != s.place {
		t.Errorf("the database was at %s and is at %s", s.place, now)
	}
}

// lacks is what keeps the shop from being steady.
func (s *shop) lacks(ctx context.Context) error {
	database, err := s.aws.RDS.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new(shopName)})
	if err != nil {
		return err
	}
	if status := *database.DBInstances[0].DBInstanceStatus; status != "available" {
		return fmt.Errorf("the database is %s", status)
	}
	services, err := s.aws.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: new(shopName), Services: []string{shopName}})
	if err != nil {
		return err
	}
	if v := services.Services[0]; v.RunningCount != 2 || v.PendingCount != 0 || len(v.Deployments) != 1 {
		return fmt.Errorf("the service runs %d tasks of 2, %d are pending, in %d deployments", v.RunningCount, v.PendingCount, len(v.Deployments))
	}
	if pods, err := s.running(ctx, aTask); err != nil || len(pods) != 2 {
		return fmt.Errorf("the tasks' pods are %v, %v", pods, err)
	}
	row, err := s.ask("GET", "")
	if err == nil && row != s.row {
		err = fmt.Errorf("the site answers %q", row)
	}
	return err
}

// tell shows what may say why a fault was not overcome, beside the server's complaints.
func (s *shop) tell(t *testing.T) {
	t.Helper()
	out, err := exec.Command("docker", "ps", "--all", "--format", "{{.Names}} {{.Status}}").CombinedOutput()
	t.Logf("containers (%v):\n%s", err, out)
}

// databaseAddress is what the interface of the database has.
func (s *shop) databaseAddress(t *testing.T) string {
	t.Helper()
	found, err := s.aws.EC2.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{{Name: new("description"), Values: []string{"RDSNetworkInterface"}}},
	})
	if err != nil || len(found.NetworkInterfaces) != 1 {
		t.Fatalf("interfaces of the database: %v, %v", found, err)
	}
	return *found.NetworkInterfaces[0].PrivateIpAddress
}

// pods are the running ones whose owner begins so; status says which.
func (s *shop) pods(t *testing.T, owner ...string) []string {
	t.Helper()
	pods, err := s.running(t.Context(), owner...)
	if err != nil {
		t.Fatal(err)
	}
	return pods
}

func (s *shop) running(ctx context.Context, owner ...string) (names []string, err error) {
	operator, err := s.server.Operator()
	if err != nil {
		return nil, err
	}
	status, err := operator.Status(ctx)
	for _, p := range status.Pods {
		isOf := func(o string) bool { return strings.HasPrefix(p.Owner, o) }
		if slices.ContainsFunc(owner, isOf) && p.Phase == "RUNNING" {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names, err
}

const (
	aTask     = "ecs.task/"
	aDatabase = "rds.instance/"
)
