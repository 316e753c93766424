package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (c *Control) runTask(ctx context.Context, tx store.Tx, by op.Caller, in *api.RunTaskInput) (*api.RunTaskOutput, error) {
	k, err := c.useCluster(ctx, tx, by.Scope, clusterOf(in.Cluster))
	if err != nil {
		return nil, err
	}
	count := int(op.Or(in.Count, 1))
	switch {
	case count < 1 || count > 10:
		return nil, api.InvalidParameterException("Count must be between 1 and 10.")
	case op.Val(in.PropagateTags) == "SERVICE":
		return nil, api.InvalidParameterException("SERVICE is not a valid value of propagateTags for RunTask.")
	case len(op.Val(in.StartedBy)) > 128:
		return nil, api.InvalidParameterException("startedBy can have at most 128 characters.")
	case op.Val(in.EnableExecuteCommand):
		return nil, api.UnsupportedFeatureException("enableExecuteCommand is not supported: ECS Exec needs the Session Manager, use 'penstock exec'.")
	case len(in.VolumeConfigurations) > 0:
		return nil, api.UnsupportedFeatureException("volumeConfigurations are not supported.")
	}
	rev, d, err := c.revise(ctx, tx, by.Scope, k, wish{
		definition: *in.TaskDefinition, launchType: in.LaunchType, strategy: in.CapacityProviderStrategy, platform: in.PlatformVersion, network: in.NetworkConfiguration,
	})
	if err != nil {
		return nil, err
	}
	out := &api.RunTaskOutput{Tasks: []api.Task{}, Failures: []api.Failure{}}
	for n := range count {
		t, err := c.taskOf(ctx, tx, by, in, k, rev, &d, n)
		if err != nil {
			return nil, err
		}
		if err := c.begin(ctx, tx, t); err != nil {
			return nil, err
		}
		out.Tasks = append(out.Tasks, taskOut(&t, true))
	}
	return out, nil
}

// taskOf makes the n-th task of a request and checks the caller's and the roles' rights.
func (c *Control) taskOf(ctx context.Context, tx store.Tx, by op.Caller, in *api.RunTaskInput, k Cluster, rev Revision, d *Definition, n int) (Task, error) {
	seed := taskSeed(by.Key, n)
	if token := op.Val(in.ClientToken); token != "" {
		seed = fmt.Sprintf("token %s %s %s %d", by.Account, k.Name, token, n)
	}
	id := ids.Hex(32, seed)
	if _, err := c.tasks.Get(ctx, tx, by.Scope, id); err == nil {
		return Task{}, api.ConflictException("The RunTask request could not be processed due to conflicts: the client token was used for task %s.", taskARN(by.Scope, k.Name, id))
	}
	t := newTask(d, rev, k.Name, id, c.Clock.Now())
	t.Ordinal, t.StartedBy, t.Provider = n, op.Val(in.StartedBy), provider(rev.Strategy, n)
	if in.Group != nil {
		t.Group = *in.Group
	}
	if err := t.override(in.Overrides); err != nil {
		return t, err
	}
	for _, role := range []string{t.Execution, t.Role} {
		if role == "" {
			continue
		}
		if err := c.mayPass(ctx, tx, by, role); err != nil {
			return t, err
		}
		if reason, err := c.assumable(ctx, tx, role); err != nil || reason != "" {
			return t, orClient(err, reason)
		}
	}
	var inherited []Tag
	if op.Val(in.PropagateTags) == "TASK_DEFINITION" {
		inherited = d.Tags
	}
	t.tag(tagsIn(in.Tags), inherited, op.Val(in.EnableECSManagedTags))
	return t, c.mayTag(ctx, tx, by, in.Tags, t.arn(), "RunTask")
}

func orClient(err error, reason string) error {
	if err != nil {
		return err
	}
	return api.ClientException("%s", reason)
}

// begin writes a task and starts its machine.
func (c *Control) begin(ctx context.Context, tx store.Tx, t Task) error {
	if _, err := c.tasks.Put(ctx, tx, t.Scope, t.ID, t, 0); err != nil {
		return fmt.Errorf("write task %s: %w", t.ID, err)
	}
	return c.send(ctx, tx, taskID(t.Scope, t.ID), taskCreated, nil)
}

// send puts an event with a body into a machine's inbox.
func (c *Control) send(ctx context.Context, tx store.Tx, id engine.ID, name string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", name, err)
	}
	return c.Engine.Send(ctx, tx, id, engine.Event{Name: name, At: c.Clock.Now(), Body: b})
}

func (c *Control) stopTask(ctx context.Context, tx store.Tx, by op.Caller, in *api.StopTaskInput) (*api.StopTaskOutput, error) {
	if _, err := c.cluster(ctx, tx, by.Scope, clusterOf(in.Cluster)); err != nil {
		return nil, err
	}
	d, err := c.tasks.Get(ctx, tx, by.Scope, nameOf(*in.Task))
	if errors.Is(err, store.ErrNotFound) || err == nil && (d.Value.Cluster != clusterOf(in.Cluster) || d.Value.Status == Deleted) {
		return nil, api.InvalidParameterException("The referenced task was not found.")
	}
	if err != nil {
		return nil, fmt.Errorf("read task: %w", err)
	}
	t := d.Value
	if !t.IsStopped {
		order := stopOrder{"UserInitiated", op.Or(in.Reason, "Task stopped by user")}
		if err := c.send(ctx, tx, taskID(t.Scope, t.ID), taskStop, order); err != nil {
			return nil, err
		}
		t.IsStopped, t.StopCode, t.StopReason = true, order.Code, order.Reason // what the machine will say
	}
	out := taskOut(&t, true)
	return &api.StopTaskOutput{Task: &out}, nil
}

func (c *Control) describeTasks(ctx context.Context, r store.Reader, by op.Caller, in *api.DescribeTasksInput) (*api.DescribeTasksOutput, error) {
	if len(in.Tasks) == 0 {
		return nil, api.InvalidParameterException("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 100 {
		return nil, api.InvalidParameterException("Tasks can have at most 100 items.")
	}
	cluster := clusterOf(in.Cluster)
	if _, err := c.cluster(ctx, r, by.Scope, cluster); err != nil {
		return nil, err
	}
	out := &api.DescribeTasksOutput{Tasks: []api.Task{}, Failures: []api.Failure{}}
	for _, ref := range in.Tasks {
		d, err := c.tasks.Get(ctx, r, by.Scope, nameOf(ref))
		if errors.Is(err, store.ErrNotFound) || err == nil && (d.Value.Cluster != cluster || d.Value.Status == Deleted) {
			out.Failures = append(out.Failures, missing(by, ref, "task/"+cluster+"/"+ref))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read task %s: %w", ref, err)
		}
		out.Tasks = append(out.Tasks, taskOut(&d.Value, slices.Contains(in.Include, "TAGS")))
	}
	return out, nil
}

func (c *Control) listTasks(ctx context.Context, r store.Reader, by op.Caller, in *api.ListTasksInput) (*api.ListTasksOutput, error) {
	cluster := clusterOf(in.Cluster)
	if _, err := c.cluster(ctx, r, by.Scope, cluster); err != nil {
		return nil, err
	}
	if in.ServiceName != nil {
		if _, err := c.service(ctx, r, by.Scope, cluster, nameOf(*in.ServiceName)); err != nil {
			return nil, err
		}
	}
	desired := op.Or(in.DesiredStatus, "RUNNING")
	tasks, err := c.tasksOf(ctx, r, by.Scope, cluster)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range tasks {
		if t.desired() == desired && in.ContainerInstance == nil && is(in.StartedBy, t.StartedBy) && is(in.LaunchType, t.LaunchType) &&
			(in.ServiceName == nil || nameOf(*in.ServiceName) == t.Service) && (in.Family == nil || isFamily(t.Definition, *in.Family)) {
			names = append(names, t.arn())
		}
	}
	names, next, err := page(names, in.NextToken, in.MaxResults, 100)
	return &api.ListTasksOutput{TaskArns: names, NextToken: next}, err
}

func isFamily(definition, family string) bool {
	name, _, _ := strings.Cut(nameOf(definition), ":")
	return name == family
}

func is(wanted *string, v string) bool { return wanted == nil || *wanted == v }

func (c *Control) updateTaskProtection(ctx context.Context, tx store.Tx, by op.Caller, in *api.UpdateTaskProtectionInput) (*api.UpdateTaskProtectionOutput, error) {
	minutes := op.Or(in.ExpiresInMinutes, 120)
	if minutes < 1 || minutes > 2880 {
		return nil, api.InvalidParameterException("expiresInMinutes must be between 1 and 2880.")
	}
	until := c.Clock.Now().Add(time.Duration(minutes) * time.Minute)
	if !op.Val(in.ProtectionEnabled) {
		until = time.Time{}
	}
	protected, failures, err := c.protectable(ctx, tx, by, in.Cluster, in.Tasks, func(t *Task) error {
		t.ProtectedUntil = until
		return c.send(ctx, tx, taskID(t.Scope, t.ID), taskProtected, until)
	})
	return &api.UpdateTaskProtectionOutput{ProtectedTasks: protected, Failures: failures}, err
}

func (c *Control) getTaskProtection(ctx context.Context, r store.Reader, by op.Caller, in *api.GetTaskProtectionInput) (*api.GetTaskProtectionOutput, error) {
	protected, failures, err := c.protectable(ctx, r, by, in.Cluster, in.Tasks, func(*Task) error { return nil })
	return &api.GetTaskProtectionOutput{ProtectedTasks: protected, Failures: failures}, err
}

func (c *Control) protectable(ctx context.Context, r store.Reader, by op.Caller, cluster *string, refs []string, f func(*Task) error) ([]api.ProtectedTask, []api.Failure, error) {
	protected, failures := []api.ProtectedTask{}, []api.Failure{}
	if _, err := c.cluster(ctx, r, by.Scope, clusterOf(cluster)); err != nil {
		return nil, nil, err
	}
	for _, ref := range refs {
		d, err := c.tasks.Get(ctx, r, by.Scope, nameOf(ref))
		switch {
		case errors.Is(err, store.ErrNotFound):
			failures = append(failures, missing(by, ref, "task/"+clusterOf(cluster)+"/"+ref))
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("read task %s: %w", ref, err)
		case d.Value.Service == "" || d.Value.IsStopped:
			failures = append(failures, api.Failure{Arn: new(d.Value.arn()), Reason: new("TASK_NOT_VALID")})
			continue
		}
		if err := f(&d.Value); err != nil {
			return nil, nil, err
		}
		isProtected := c.Clock.Now().Before(d.Value.ProtectedUntil)
		p := api.ProtectedTask{TaskArn: new(d.Value.arn()), ProtectionEnabled: &isProtected}
		if isProtected {
			p.ExpirationDate = op.At(d.Value.ProtectedUntil)
		}
		protected = append(protected, p)
	}
	return protected, failures, nil
}
