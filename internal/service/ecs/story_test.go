package ecs

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/api/ec2"
	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/fake"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const group = "arn:aws:elasticloadbalancing:us-east-1:100000000001:targetgroup/web/0123456789abcdef"

// cloud plays the services that tasks need. A registered target is healthy at once
// unless its address is sick; a deregistered one drains until drain is called.
type cloud struct {
	mu         sync.Mutex
	interfaces map[string]string // id → address
	made       int
	targets    map[string]string // address → state
	sick       bool
	waves      []string
	changed    chan string
	killed     []string // addresses that were stopped before they were drained
	pods       map[string]string
}

func (c *cloud) handlers() []op.Handler {
	return []op.Handler{
		op.Change(ec2.CreateNetworkInterface, nil, func(_ context.Context, _ store.Tx, _ op.Caller, in *ec2.CreateNetworkInterfaceInput) (*ec2.CreateNetworkInterfaceOutput, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if strings.HasPrefix(*in.SubnetId, "subnet-none") {
				return nil, &op.Error{Code: "InvalidSubnetID.NotFound", Message: "The subnet ID does not exist"}
			}
			c.made++
			id, address := fmt.Sprintf("eni-%d", c.made), fmt.Sprintf("10.0.0.%d", c.made)
			c.interfaces[id] = address
			return &ec2.CreateNetworkInterfaceOutput{NetworkInterface: &ec2.NetworkInterface{NetworkInterfaceId: &id, PrivateIpAddress: &address, SubnetId: in.SubnetId}}, nil
		}),
		op.Change(ec2.DeleteNetworkInterface, nil, func(_ context.Context, _ store.Tx, _ op.Caller, in *ec2.DeleteNetworkInterfaceInput) (*ec2.DeleteNetworkInterfaceOutput, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.interfaces, *in.NetworkInterfaceId)
			return &ec2.DeleteNetworkInterfaceOutput{}, nil
		}),
		op.Change(elbv2.RegisterTargets, nil, func(_ context.Context, tx store.Tx, by op.Caller, in *elbv2.RegisterTargetsInput) (*elbv2.RegisterTargetsOutput, error) {
			state := "healthy"
			c.mu.Lock()
			if c.sick {
				state = "unhealthy"
			}
			c.waves = append(c.waves, by.ARN[strings.LastIndex(by.ARN, "/")+1:])
			c.mu.Unlock()
			return &elbv2.RegisterTargetsOutput{}, c.set(tx, *in.Targets[0].Id, state)
		}),
		op.Change(elbv2.DeregisterTargets, nil, func(_ context.Context, tx store.Tx, _ op.Caller, in *elbv2.DeregisterTargetsInput) (*elbv2.DeregisterTargetsOutput, error) {
			return &elbv2.DeregisterTargetsOutput{}, c.set(tx, *in.Targets[0].Id, "draining")
		}),
		op.Read(elbv2.DescribeTargetHealth, nil, func(context.Context, store.Reader, op.Caller, *elbv2.DescribeTargetHealthInput) (*elbv2.DescribeTargetHealthOutput, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			out := &elbv2.DescribeTargetHealthOutput{}
			for address, state := range c.targets {
				out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, elbv2.TargetHealthDescription{
					Target:       &elbv2.TargetDescription{Id: &address, Port: new(int32(8080))},
					TargetHealth: &elbv2.TargetHealth{State: &state, Description: new("Health checks failed with these codes: [500]")},
				})
			}
			return out, nil
		}),
		op.Read(secretsmanager.GetSecretValue, nil, func(_ context.Context, _ store.Reader, by op.Caller, in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
			if !strings.Contains(by.ARN, "assumed-role/exec/") {
				return nil, &op.Error{Code: "AccessDeniedException", Message: by.ARN}
			}
			return &secretsmanager.GetSecretValueOutput{SecretString: new(`{"url":"print=secret_value sleep=forever"}`)}, nil
		}),
		op.Change(logs.CreateLogStream, nil, func(context.Context, store.Tx, op.Caller, *logs.CreateLogStreamInput) (*logs.CreateLogStreamOutput, error) {
			return &logs.CreateLogStreamOutput{}, nil
		}),
	}
}

func (c *cloud) set(tx store.Tx, address, state string) error {
	tx.OnCommit(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.targets[address] = state
		c.push()
	})
	return nil
}

func (c *cloud) push() {
	select {
	case c.changed <- group:
	default:
	}
}

// drain ends every drain under way.
func (c *cloud) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for address, state := range c.targets {
		if state == "draining" {
			delete(c.targets, address)
		}
	}
	c.push()
}

// Watch is Targets.
func (c *cloud) Watch(ctx context.Context, changed func(string)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case g := <-c.changed:
			changed(g)
		}
	}
}

// pods is the scripted back end, which notes a stop before the drain.
type pods struct {
	*fake.Backend
	cloud *cloud
}

func (p pods) Ensure(ctx context.Context, pod compute.Pod) (compute.Status, error) {
	p.cloud.mu.Lock()
	p.cloud.pods[pod.Name] = p.cloud.interfaces[pod.Interface]
	p.cloud.mu.Unlock()
	return p.Backend.Ensure(ctx, pod)
}

func (p pods) Stop(ctx context.Context, pod string, grace time.Duration) error {
	p.cloud.mu.Lock()
	if address := p.cloud.pods[pod]; p.cloud.targets[address] != "" {
		p.cloud.killed = append(p.cloud.killed, address)
	}
	p.cloud.mu.Unlock()
	return p.Backend.Stop(ctx, pod, grace)
}

type stage struct {
	*dispatchtest.Dispatcher
	t     *testing.T
	cloud *cloud
	pods  pods
	lines *logstore.Database
	svc   *Control
	stop  func()
}

func newStage(t *testing.T) *stage {
	t.Helper()
	c := &cloud{interfaces: map[string]string{}, targets: map[string]string{}, changed: make(chan string, 1), pods: map[string]string{}}
	w := &stage{t: t, cloud: c, pods: pods{fake.New(clock.System{}, nil), c}}
	var err error
	if w.lines, err = logstore.Open(t.Context(), logstore.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Clock: clock.System{}}); err != nil {
		t.Fatal(err)
	}
	w.Dispatcher = dispatchtest.New(t, New(Deps{}).Tables(), c.handlers()...)
	w.svc = w.serve()
	w.Add(t, w.svc.Handlers()...)
	t.Cleanup(func() {
		w.stop()
		if err := w.lines.Shut(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// serve starts the loops of a server.
func (w *stage) serve() *Control {
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(w.t.Output(), nil))
	}
	e := engine.New(engine.Deps{DB: w.DB, Stream: eventstream.New(clock.System{}), Clock: clock.System{}, Log: log})
	svc := New(Deps{
		DB: w.DB, Engine: e, AWS: w.Dispatcher, Guard: w.Dispatcher, Pods: w.pods, Logs: w.lines, Targets: w.cloud,
		Settle: time.Millisecond, Clock: clock.System{}, Log: log,
	})
	e.Register(svc.Kinds()...)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = e.Run(ctx) })
	work.Go(func() { _ = svc.Run(ctx) })
	w.stop = func() { cancel(); work.Wait() }
	return svc
}

func call[I, O any](w *stage, o op.Op[I, O], in *I) *O {
	w.t.Helper()
	out, err := op.Call(w.t.Context(), w.Dispatcher, w.Root(), o, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// until looks after every change of the pods' or the database's state that a caller could see.
func (w *stage) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.After(20 * time.Second); !ok(); {
		select {
		case <-deadline:
			w.t.Fatalf("never: %s\n%+v", what, w.describe())
		case <-clock.System{}.After(5 * time.Millisecond):
		}
	}
}

func (w *stage) register(script string) string {
	w.t.Helper()
	out := call(w, api.RegisterTaskDefinition, &api.RegisterTaskDefinitionInput{
		Family: new("web"), NetworkMode: new("awsvpc"), Cpu: new("256"), Memory: new("512"), RequiresCompatibilities: []string{"FARGATE"},
		ExecutionRoleArn: new("arn:aws:iam::100000000001:role/exec"),
		ContainerDefinitions: []api.ContainerDefinition{{
			Name: new("app"), Image: new("app:1"), PortMappings: []api.PortMapping{{ContainerPort: new(int32(8080))}},
			Environment:      []api.KeyValuePair{{Name: new(fake.Variable), Value: &script}},
			LogConfiguration: &api.LogConfiguration{LogDriver: new("awslogs"), Options: map[string]string{"awslogs-group": "/ecs/web", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}},
		}},
	})
	return *out.TaskDefinition.TaskDefinitionArn
}

func (w *stage) create(definition string) {
	call(w, api.CreateService, &api.CreateServiceInput{
		ServiceName: new("web"), TaskDefinition: &definition, DesiredCount: new(int32(2)), LaunchType: new("FARGATE"),
		NetworkConfiguration:    &api.NetworkConfiguration{AwsvpcConfiguration: &api.AwsVpcConfiguration{Subnets: []string{"subnet-a", "subnet-b"}}},
		LoadBalancers:           []api.LoadBalancer{{TargetGroupArn: new(group), ContainerName: new("app"), ContainerPort: new(int32(8080))}},
		DeploymentConfiguration: &api.DeploymentConfiguration{DeploymentCircuitBreaker: &api.DeploymentCircuitBreaker{Enable: new(true), Rollback: new(true)}},
	})
}

func (w *stage) describe() api.Service {
	w.t.Helper()
	return call(w, api.DescribeServices, &api.DescribeServicesInput{Services: []string{"web"}}).Services[0]
}

// stable is what the clients' waiter services-stable asks.
func (w *stage) stable() bool {
	s := w.describe()
	return len(s.Deployments) == 1 && *s.RunningCount == *s.DesiredCount && *s.Deployments[0].RolloutState == "COMPLETED"
}

func TestARolloutReplacesDrainedTasksAcrossARestart(t *testing.T) {
	t.Parallel()
	w := newStage(t)
	w.create(w.register("print=one sleep=forever"))
	w.until("first deployment", w.stable)
	next := w.register("print=two sleep=forever")
	call(w, api.UpdateService, &api.UpdateServiceInput{Service: new("web"), TaskDefinition: &next})
	w.until("old tasks drain", func() bool {
		w.cloud.mu.Lock()
		defer w.cloud.mu.Unlock()
		return strings.Count(fmt.Sprint(w.cloud.targets), "draining") == 2
	})
	w.stop()
	w.svc = w.serve()
	w.cloud.drain()
	w.until("second deployment", w.stable)
	if len(w.cloud.killed) > 0 {
		t.Errorf("stopped before they were drained: %v", w.cloud.killed)
	}
	// A stopped task gives its interface back after the service is stable.
	w.until("interfaces given back", func() bool {
		w.cloud.mu.Lock()
		defer w.cloud.mu.Unlock()
		return len(w.cloud.interfaces) == 2
	})
	if w.cloud.waves[0] == w.cloud.waves[3] {
		t.Errorf("both deployments registered as %s", w.cloud.waves[0])
	}
	for _, arn := range call(w, api.ListTasks, &api.ListTasksInput{DesiredStatus: new("STOPPED")}).TaskArns {
		task := call(w, api.DescribeTasks, &api.DescribeTasksInput{Tasks: []string{arn}}).Tasks[0]
		if !strings.HasPrefix(*task.StoppedReason, "Scaling activity initiated by (deployment ecs-svc/") || *task.StopCode != "ServiceSchedulerInitiated" {
			t.Errorf("stopped because: %s, %s", *task.StopCode, *task.StoppedReason)
		}
		page, err := w.lines.Read(t.Context(), logstore.Stream{Account: dispatchtest.Account, Region: dispatchtest.Region, Group: "/ecs/web", Name: "p/app/" + nameOf(arn)}, "", 10)
		if err != nil || len(page.Lines) != 1 || page.Lines[0].Text != "one" {
			t.Errorf("lines of %s: %v, %v", arn, page.Lines, err)
		}
	}
}

func TestAFailingRolloutGoesBack(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *stage) string{
		"unhealthy targets": func(w *stage) string {
			w.cloud.mu.Lock()
			w.cloud.sick = true
			w.cloud.mu.Unlock()
			return w.register("sleep=forever")
		},
		"cannot start": func(w *stage) string { return w.register("nostart") },
		"exits":        func(w *stage) string { return w.register("exit=1") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStage(t)
			w.create(w.register("sleep=forever"))
			w.until("first deployment", w.stable)
			good := *w.describe().Deployments[0].Id
			bad := spoil(w)
			call(w, api.UpdateService, &api.UpdateServiceInput{Service: new("web"), TaskDefinition: &bad})
			w.until("rolled back", func() bool { w.cloud.drain(); return w.stable() && *w.describe().TaskDefinition != bad })
			if id := *w.describe().Deployments[0].Id; id != good {
				t.Errorf("the primary is %s, want %s", id, good)
			}
			if len(w.cloud.killed) > 0 && name != "exits" { // a container that is gone has nothing to drain
				t.Errorf("stopped before they were drained: %v", w.cloud.killed)
			}
		})
	}
}

func TestRunTaskEndsWithItsExitCode(t *testing.T) {
	t.Parallel()
	w := newStage(t)
	definition := w.register("print=done exit=3")
	run := func(subnet string) api.Task {
		out := call(w, api.RunTask, &api.RunTaskInput{
			TaskDefinition: &definition, LaunchType: new("FARGATE"),
			NetworkConfiguration: &api.NetworkConfiguration{AwsvpcConfiguration: &api.AwsVpcConfiguration{Subnets: []string{subnet}}},
		})
		return out.Tasks[0]
	}
	ended := func(arn string) (task api.Task) {
		w.t.Helper()
		for deadline := time.After(20 * time.Second); ; {
			task = call(w, api.DescribeTasks, &api.DescribeTasksInput{Tasks: []string{arn}}).Tasks[0]
			if *task.LastStatus == "STOPPED" {
				return task
			}
			select {
			case <-deadline:
				t.Fatalf("never stopped: %s", *task.LastStatus)
			case <-clock.System{}.After(5 * time.Millisecond):
			}
		}
	}
	task := ended(*run("subnet-a").TaskArn)
	if *task.StopCode != "EssentialContainerExited" || *task.StoppedReason != "Essential container in task exited" || *task.Containers[0].ExitCode != 3 {
		t.Errorf("stopped: %s, %s, %d", *task.StopCode, *task.StoppedReason, *task.Containers[0].ExitCode)
	}
	task = ended(*run("subnet-none").TaskArn)
	if want := "Unexpected EC2 error while attempting to Create Network Interface in subnet 'subnet-none': InvalidSubnetID.NotFound (The subnet ID does not exist)"; *task.StopCode != "TaskFailedToStart" || *task.StoppedReason != want {
		t.Errorf("stopped: %s, %s", *task.StopCode, *task.StoppedReason)
	}
}

func TestDeletedServiceBecomesInactive(t *testing.T) {
	t.Parallel()
	w := newStage(t)
	w.create(w.register("sleep=forever"))
	w.until("first deployment", w.stable)
	_, err := op.Call(t.Context(), w.Dispatcher, w.Root(), api.DeleteService, &api.DeleteServiceInput{Service: new("web")})
	if err == nil || !strings.Contains(err.Error(), "The service cannot be stopped while it is scaled above 0.") {
		t.Errorf("delete without force: %v", err)
	}
	call(w, api.DeleteService, &api.DeleteServiceInput{Service: new("web"), Force: new(true)})
	w.until("inactive", func() bool { w.cloud.drain(); return *w.describe().Status == "INACTIVE" })
	w.until("cluster empty", func() bool {
		w.cloud.mu.Lock()
		defer w.cloud.mu.Unlock()
		return len(w.cloud.interfaces) == 0
	})
	call(w, api.DeleteCluster, &api.DeleteClusterInput{Cluster: new("default")})
}
