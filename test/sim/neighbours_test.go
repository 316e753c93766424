package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/undocumented"
)

// ledger is what the neighbours' operations have changed, in the transaction of the
// change: what is not committed did not happen, what happens twice shows.
type ledger struct {
	interfaces store.Collection[networkInterface]
	targets    store.Collection[target]
	streams    store.Collection[struct{}]
}

// networkInterface stays after its end, so that a second end is seen.
type networkInterface struct {
	Address   string
	IsDeleted bool
}

// target is a registration; its key is the address.
type target struct {
	Registered   time.Time
	Deregistered time.Time `json:",omitzero"`
}

// How long a target is checked until it is healthy, and how long it drains.
const (
	checked = time.Second
	drained = 3 * time.Second
)

func newLedger() ledger {
	return ledger{
		interfaces: store.Define(store.Schema[networkInterface]{Table: "interfaces"}),
		targets:    store.Define(store.Schema[target]{Table: "targets"}),
		streams:    store.Define(store.Schema[struct{}]{Table: "streams"}),
	}
}

func (l ledger) tables() []store.Table { return []store.Table{l.interfaces, l.targets, l.streams} }

func (t target) state(now time.Time) string {
	switch {
	case t.Deregistered.IsZero() && now.Sub(t.Registered) < checked:
		return "initial"
	case t.Deregistered.IsZero():
		return "healthy"
	case now.Sub(t.Deregistered) < drained:
		return "draining"
	}
	return ""
}

// neighbours are the services around those under test, as small as they can be.
func (w *world) neighbours(s *server) []op.Handler {
	l := newLedger()
	return []op.Handler{
		op.Read(codecommit.GetBranch, nil, func(context.Context, store.Reader, op.Caller, *codecommit.GetBranchInput) (*codecommit.GetBranchOutput, error) {
			return &codecommit.GetBranchOutput{Branch: &codecommit.BranchInfo{CommitId: new(w.head())}}, nil
		}),
		op.Read(codecommit.GetCommit, nil, func(_ context.Context, _ store.Reader, _ op.Caller, in *codecommit.GetCommitInput) (*codecommit.GetCommitOutput, error) {
			return &codecommit.GetCommitOutput{Commit: &codecommit.Commit{CommitId: in.CommitId, Message: new("a change")}}, nil
		}),
		op.Stream(undocumented.UploadArchive, nil, func(_ context.Context, _ op.Caller, in *undocumented.UploadArchiveInput, _ io.Reader) (*undocumented.UploadArchiveOutput, io.ReadCloser, error) {
			return &undocumented.UploadArchiveOutput{}, io.NopCloser(strings.NewReader(in.CommitID)), nil
		}),
		op.Stream(s3.PutObject, nil, func(_ context.Context, by op.Caller, in *s3.PutObjectInput, body io.Reader) (*s3.PutObjectOutput, io.ReadCloser, error) {
			raw, err := io.ReadAll(body)
			if err != nil || s.isDead() {
				return nil, nil, errors.Join(err, errCrashed)
			}
			w.put(*in.Bucket+"/"+*in.Key, raw)
			return &s3.PutObjectOutput{}, nil, s.point("stored " + *in.Key)
		}),
		op.Stream(s3.GetObject, nil, func(_ context.Context, _ op.Caller, in *s3.GetObjectInput, _ io.Reader) (*s3.GetObjectOutput, io.ReadCloser, error) {
			raw, ok := w.object(*in.Bucket + "/" + *in.Key)
			if !ok {
				return nil, nil, &op.Error{Code: "NoSuchKey", Message: "The specified key does not exist.", Status: 404}
			}
			return &s3.GetObjectOutput{}, io.NopCloser(bytes.NewReader(raw)), nil
		}),
		op.Change(logs.CreateLogGroup, nil, func(context.Context, store.Tx, op.Caller, *logs.CreateLogGroupInput) (*logs.CreateLogGroupOutput, error) {
			return &logs.CreateLogGroupOutput{}, nil
		}),
		op.Change(logs.CreateLogStream, nil, func(ctx context.Context, tx store.Tx, by op.Caller, in *logs.CreateLogStreamInput) (*logs.CreateLogStreamOutput, error) {
			_, err := l.streams.Put(ctx, tx, scope, *in.LogStreamName, struct{}{}, 0)
			if errors.Is(err, store.ErrVersion) {
				return nil, logs.ResourceAlreadyExistsException("The specified log stream already exists")
			}
			return &logs.CreateLogStreamOutput{}, err
		}),
		op.Change(ec2.CreateNetworkInterface, nil, l.createInterface),
		op.Change(ec2.DeleteNetworkInterface, nil, l.deleteInterface),
		op.Change(elbv2.RegisterTargets, nil, func(ctx context.Context, tx store.Tx, _ op.Caller, in *elbv2.RegisterTargetsInput) (*elbv2.RegisterTargetsOutput, error) {
			_, err := l.targets.Put(ctx, tx, scope, *in.Targets[0].Id, target{Registered: w.clock.Now()}, 0)
			return &elbv2.RegisterTargetsOutput{}, err // once: ErrVersion
		}),
		op.Change(elbv2.DeregisterTargets, nil, func(ctx context.Context, tx store.Tx, _ op.Caller, in *elbv2.DeregisterTargetsInput) (*elbv2.DeregisterTargetsOutput, error) {
			if err := l.deregister(ctx, tx, *in.Targets[0].Id, w.clock.Now()); err != nil {
				return nil, err
			}
			return &elbv2.DeregisterTargetsOutput{}, w.mayLeave(ctx, tx, l)
		}),
		op.Read(elbv2.DescribeTargetHealth, nil, func(ctx context.Context, r store.Reader, _ op.Caller, _ *elbv2.DescribeTargetHealthInput) (*elbv2.DescribeTargetHealthOutput, error) {
			return l.health(ctx, r, w.clock.Now())
		}),
	}
}

func (w *world) head() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.branch
}

func (l ledger) createInterface(ctx context.Context, tx store.Tx, by op.Caller, in *ec2.CreateNetworkInterfaceInput) (*ec2.CreateNetworkInterfaceOutput, error) {
	all, err := l.interfaces.List(ctx, tx, scope, store.Query{})
	if err != nil {
		return nil, err
	}
	id, address := ids.Resource("eni", by.Key), fmt.Sprintf("10.0.0.%d", len(all)+4)
	if _, err := l.interfaces.Put(ctx, tx, scope, id, networkInterface{Address: address}, 0); err != nil {
		return nil, err
	}
	return &ec2.CreateNetworkInterfaceOutput{NetworkInterface: &ec2.NetworkInterface{NetworkInterfaceId: &id, PrivateIpAddress: &address, SubnetId: in.SubnetId}}, nil
}

func (l ledger) deleteInterface(ctx context.Context, tx store.Tx, _ op.Caller, in *ec2.DeleteNetworkInterfaceInput) (*ec2.DeleteNetworkInterfaceOutput, error) {
	d, err := l.interfaces.Get(ctx, tx, scope, *in.NetworkInterfaceId)
	if err != nil {
		return nil, err
	}
	if d.Value.IsDeleted {
		return nil, &op.Error{Code: "InvalidNetworkInterfaceID.NotFound", Message: "The networkInterface ID '" + d.Key + "' does not exist"}
	}
	d.Value.IsDeleted = true
	_, err = l.interfaces.Put(ctx, tx, scope, d.Key, d.Value, d.Version)
	return &ec2.DeleteNetworkInterfaceOutput{}, err
}

func (l ledger) deregister(ctx context.Context, tx store.Tx, address string, now time.Time) error {
	d, err := l.targets.Get(ctx, tx, scope, address)
	if errors.Is(err, store.ErrNotFound) {
		return &op.Error{Code: "InvalidTarget", Message: "The target " + address + " is not registered"}
	}
	if err != nil || !d.Value.Deregistered.IsZero() {
		return err // it drains on
	}
	d.Value.Deregistered = now
	_, err = l.targets.Put(ctx, tx, scope, address, d.Value, d.Version)
	return err
}

// mayLeave: a rollout never leaves the load balancer without a healthy target.
func (w *world) mayLeave(ctx context.Context, r store.Reader, l ledger) error {
	all, err := l.targets.List(ctx, r, scope, store.Query{})
	healthy := slices.ContainsFunc(all, func(d store.Doc[target]) bool { return d.Value.state(w.clock.Now()) == "healthy" })
	if err == nil && !healthy && !w.fate.rough {
		w.problem("the last healthy target was deregistered")
	}
	return err
}

// mayStop: a container is stopped once no request can be on its way to it.
func (w *world) mayStop(ctx context.Context, pod string) error {
	l := newLedger()
	i := slices.IndexFunc(w.made, func(p compute.Pod) bool { return p.Name == pod })
	if i < 0 || w.made[i].Interface == "" {
		return nil
	}
	return w.db.View(ctx, func(ctx context.Context, r store.Reader) error {
		n, err := l.interfaces.Get(ctx, r, scope, w.made[i].Interface)
		if err != nil {
			return err
		}
		t, err := l.targets.Get(ctx, r, scope, n.Value.Address)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if state := t.Value.state(w.clock.Now()); err == nil && state != "" && !w.fate.rough {
			w.problem("pod " + pod + " was stopped while its target was " + state)
		}
		return err
	})
}

func (l ledger) health(ctx context.Context, r store.Reader, now time.Time) (*elbv2.DescribeTargetHealthOutput, error) {
	all, err := l.targets.List(ctx, r, scope, store.Query{})
	out := &elbv2.DescribeTargetHealthOutput{}
	for _, d := range all {
		if state := d.Value.state(now); state != "" {
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, elbv2.TargetHealthDescription{
				Target: &elbv2.TargetDescription{Id: &d.Key, Port: new(int32(80))}, TargetHealth: &elbv2.TargetHealth{State: &state},
			})
		}
	}
	return out, err
}
