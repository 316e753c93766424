package rds

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/api/ec2"
	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/fake"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// world is the service with the real engine and store; pods are given, and EC2 and
// Secrets Manager are neighbours.
type world struct {
	*Service
	t     *testing.T
	aws   *dispatchtest.Dispatcher
	names *dataplane.Records
	stop  func()

	mu         sync.Mutex
	interfaces map[string][]string // id → groups
	secret     string
}

// quiet is the fake back end with a shell that always succeeds.
type quiet struct {
	*fake.Backend
	mu       sync.Mutex
	commands [][]string
}

func (q *quiet) Exec(_ context.Context, _, _ string, command []string) (int, []byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.commands = append(q.commands, command)
	return 0, nil, nil
}

func newWorld(t *testing.T, pods Pods, data string) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w := &world{t: t, names: dataplane.NewRecords(dataplane.Define()), interfaces: map[string][]string{}}
	s := New(Deps{Names: w.names, Pods: pods, Data: data, Clock: clock.System{}, Log: log, Plane: func(context.Context, uint64) error { return nil }})
	w.aws = dispatchtest.New(t, append(s.Tables(), w.names.Tables()...), append(s.Handlers(), w.neighbours()...)...)
	s.DB, s.AWS, w.Service = w.aws.DB, w.aws, s
	w.run()
	t.Cleanup(func() { w.stop() })
	return w
}

// run starts the loops of a server.
func (w *world) run() {
	e := engine.New(engine.Deps{DB: w.aws.DB, Stream: eventstream.New(clock.System{}), Clock: clock.System{}, Log: w.Log})
	e.Register(w.Kinds()...)
	w.Engine = e
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- e.Run(ctx) }()
	go func() { done <- w.Run(ctx) }()
	w.stop = func() {
		cancel()
		<-done
		<-done
	}
}

// neighbours are the operations of other services that a database calls.
func (w *world) neighbours() []op.Handler {
	subnets := []ec2.Subnet{
		{SubnetId: new("subnet-a"), AvailabilityZone: new("us-east-1a"), VpcId: new("vpc-1")}, {SubnetId: new("subnet-b"), AvailabilityZone: new("us-east-1b"), VpcId: new("vpc-1")},
		{SubnetId: new("subnet-a2"), AvailabilityZone: new("us-east-1a"), VpcId: new("vpc-1")},
	}
	return []op.Handler{
		op.Read(ec2.DescribeSubnets, nil, func(_ context.Context, _ store.Reader, _ op.Caller, in *ec2.DescribeSubnetsInput) (*ec2.DescribeSubnetsOutput, error) {
			out := &ec2.DescribeSubnetsOutput{}
			for _, id := range in.SubnetIds {
				for _, s := range subnets {
					if *s.SubnetId == id {
						out.Subnets = append(out.Subnets, s)
					}
				}
			}
			if len(in.SubnetIds) == 0 {
				out.Subnets = subnets[:2]
			} else if len(out.Subnets) < len(in.SubnetIds) {
				return nil, &op.Error{Code: "InvalidSubnetID.NotFound", Message: "no such subnet"}
			}
			return out, nil
		}),
		op.Read(ec2.DescribeSecurityGroups, nil, func(_ context.Context, _ store.Reader, _ op.Caller, in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
			out := &ec2.DescribeSecurityGroupsOutput{}
			if len(in.GroupIds) == 0 {
				in.GroupIds = []string{"sg-default"}
			}
			for _, id := range in.GroupIds {
				out.SecurityGroups = append(out.SecurityGroups, ec2.SecurityGroup{GroupId: new(id), VpcId: new("vpc-1")})
			}
			return out, nil
		}),
		op.Change(ec2.CreateNetworkInterface, nil, func(_ context.Context, _ store.Tx, c op.Caller, in *ec2.CreateNetworkInterfaceInput) (*ec2.CreateNetworkInterfaceOutput, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			id := "eni-" + c.Key[len(c.Key)-20:]
			w.interfaces[id] = in.Groups
			return &ec2.CreateNetworkInterfaceOutput{NetworkInterface: &ec2.NetworkInterface{NetworkInterfaceId: new(id), PrivateIpAddress: new("10.0.9.9")}}, nil
		}),
		op.Change(ec2.ModifyNetworkInterfaceAttribute, nil, func(_ context.Context, _ store.Tx, _ op.Caller, in *ec2.ModifyNetworkInterfaceAttributeInput) (*ec2.ModifyNetworkInterfaceAttributeOutput, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.interfaces[*in.NetworkInterfaceId] = in.Groups
			return &ec2.ModifyNetworkInterfaceAttributeOutput{}, nil
		}),
		op.Change(ec2.DeleteNetworkInterface, nil, func(_ context.Context, _ store.Tx, _ op.Caller, in *ec2.DeleteNetworkInterfaceInput) (*ec2.DeleteNetworkInterfaceOutput, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.interfaces, *in.NetworkInterfaceId)
			return &ec2.DeleteNetworkInterfaceOutput{}, nil
		}),
		op.Change(secretsmanager.CreateSecret, nil, func(_ context.Context, _ store.Tx, _ op.Caller, in *secretsmanager.CreateSecretInput) (*secretsmanager.CreateSecretOutput, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.secret = *in.SecretString
			return &secretsmanager.CreateSecretOutput{ARN: new("arn:aws:secretsmanager:us-east-1:100000000001:secret:" + *in.Name + "-abcdef")}, nil
		}),
		op.Read(secretsmanager.GetSecretValue, nil, func(context.Context, store.Reader, op.Caller, *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return &secretsmanager.GetSecretValueOutput{SecretString: new(w.secret)}, nil
		}),
		op.Change(secretsmanager.DeleteSecret, nil, func(context.Context, store.Tx, op.Caller, *secretsmanager.DeleteSecretInput) (*secretsmanager.DeleteSecretOutput, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.secret = ""
			return &secretsmanager.DeleteSecretOutput{}, nil
		}),
	}
}

// call invokes an operation that must succeed.
func call[I, O any](w *world, o op.Op[I, O], in *I) *O {
	w.t.Helper()
	out, err := op.Call(w.t.Context(), w.aws, w.aws.Root(), o, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// refused invokes an operation that must be refused with a code.
func refused[I, O any](w *world, o op.Op[I, O], in *I, code string) {
	w.t.Helper()
	if _, err := op.Call(w.t.Context(), w.aws, w.aws.Root(), o, in); !isCode(err, code) {
		w.t.Errorf("%s: %v, want %s", o.Name, err, code)
	}
}

// await waits for the instance to be as wanted; one that is gone is the zero Instance.
func (w *world) await(id string, ok func(Instance) bool) Instance {
	w.t.Helper()
	var i Instance
	for range 4000 {
		i = Instance{}
		err := w.aws.DB.View(w.t.Context(), func(ctx context.Context, r store.Reader) error {
			d, err := instances.List(ctx, r, dispatchtest.Scope, store.Query{Equal: id})
			if len(d) > 0 {
				i = d[0].Value
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
		if ok(i) {
			return i
		}
		<-time.After(15 * time.Millisecond) // the engine rings nothing for a document
	}
	w.t.Fatalf("the instance stays %s (%s): %+v", i.Status, i.Reason, i)
	return Instance{}
}

func (w *world) subnetGroup() {
	w.t.Helper()
	call(w, api.CreateDBSubnetGroup, &api.CreateDBSubnetGroupInput{DBSubnetGroupName: new("Main"), DBSubnetGroupDescription: new("d"), SubnetIds: []string{"subnet-a", "subnet-b"}})
}

func order(id string) *api.CreateDBInstanceInput {
	return &api.CreateDBInstanceInput{
		DBInstanceIdentifier: new(id), DBInstanceClass: new("db.t3.micro"), Engine: new("postgres"), AllocatedStorage: new(int32(20)),
		MasterUsername: new("app"), MasterUserPassword: new("correct-horse"), DBName: new("shop"), DBSubnetGroupName: new("main"),
		VpcSecurityGroupIds: []string{"sg-1"}, Tags: []api.Tag{{Key: new("team"), Value: new("a")}},
	}
}

func is(status string) func(Instance) bool {
	return func(i Instance) bool { return i.Status == status }
}

func (w *world) resolves(name string) []netip.Addr {
	w.t.Helper()
	var snap dataplane.Snapshot
	err := w.aws.DB.View(w.t.Context(), func(ctx context.Context, r store.Reader) (err error) {
		snap, err = w.names.Snapshot(ctx, r)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range snap.Names {
		if n.Name == name {
			return n.Addresses
		}
	}
	return nil
}
