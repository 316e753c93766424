package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// self is ECS acting with its own role.
func self(s store.Scope, session, key string) op.Caller {
	return op.As(s, op.ServiceLinked(s.Account, "ecs.amazonaws.com", "AWSServiceRoleForECS"), session, "ecs.amazonaws.com", key)
}

// startTask writes the task that a service's machine has decided on.
func (c *Control) startTask(ctx context.Context, _ engine.ID, s Service, f engine.Effect, _ string) (*engine.Event, error) {
	id := strings.TrimPrefix(f.Name, "start-")
	r := s.replica(id)
	if r == nil {
		return nil, nil
	}
	var rev *Revision
	for _, d := range s.history() {
		if d.ID == r.Deployment {
			rev = &d.Revision
		}
	}
	if rev == nil {
		return nil, engine.Permanent(fmt.Errorf("start task %s: deployment %s is not known any more", id, r.Deployment))
	}
	return nil, c.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := c.tasks.Get(ctx, tx, s.Scope, id); err == nil {
			return nil // written by an earlier attempt
		}
		d, err := c.definition(ctx, tx, s.Scope, rev.TaskDefinition)
		if err != nil {
			return fmt.Errorf("start task %s: read %s: %w", id, rev.TaskDefinition, err)
		}
		t := newTask(&d.Value, *rev, s.Cluster, id, c.Clock.Now())
		t.Group, t.StartedBy, t.Service, t.Deployment = "service:"+s.Name, r.Deployment, s.Name, r.Deployment
		for i := range s.Replicas {
			if s.Replicas[i].ID == id {
				t.Ordinal = i
			}
		}
		t.Provider = provider(rev.Strategy, t.Ordinal)
		switch s.Settings.PropagateTags {
		case "TASK_DEFINITION":
			t.tag(nil, d.Value.Tags, s.Settings.ManagedTags)
		case "SERVICE":
			t.tag(nil, s.Settings.Tags, s.Settings.ManagedTags)
		default:
			t.tag(nil, nil, s.Settings.ManagedTags)
		}
		return c.begin(ctx, tx, t)
	})
}

// stopTaskOf hands a service's order to its task.
func (c *Control) stopTaskOf(ctx context.Context, _ engine.ID, s Service, f engine.Effect, token string) (*engine.Event, error) {
	id := strings.TrimPrefix(f.Name, "stop-")
	return nil, c.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := c.tasks.Get(ctx, tx, s.Scope, id); err != nil {
			return fmt.Errorf("stop task %s: %w", id, err) // its start is on the way
		}
		return c.Engine.Send(ctx, tx, taskID(s.Scope, id), engine.Event{ID: token, Name: taskStop, At: c.Clock.Now(), Body: f.Body})
	})
}

// report tells the service what became of its task.
func (c *Control) report(ctx context.Context, _ engine.ID, t Task, f engine.Effect, token string) (*engine.Event, error) {
	return nil, c.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		e := engine.Event{ID: token, Name: serviceReported, At: c.Clock.Now(), Body: f.Body}
		return c.Engine.Send(ctx, tx, serviceID(t.Scope, t.Cluster, t.Service), e)
	})
}

// attach makes the task's network interface.
func (c *Control) attach(ctx context.Context, _ engine.ID, t Task, _ engine.Effect, token string) (*engine.Event, error) {
	subnet := t.Network.Subnets[t.Ordinal%len(t.Network.Subnets)]
	by := self(t.Scope, "ecs-task-provisioning", token)
	out, err := op.Call(ctx, c.AWS, by, ec2.CreateNetworkInterface, &ec2.CreateNetworkInterfaceInput{
		SubnetId: &subnet, Groups: t.Network.Groups,
		Description: new(arn.New("ecs", t.Region, t.Account, "attachment/"+t.Interface.Attachment)),
	})
	if e, isFinal := final(err); isFinal {
		return event(taskFailed, failure{Reason: fmt.Sprintf("Unexpected EC2 error while attempting to Create Network Interface in subnet '%s': %s (%s)", subnet, e.Code, e.Message)})
	}
	if err != nil {
		return nil, err
	}
	n := out.NetworkInterface
	i := Interface{
		Attachment: t.Interface.Attachment, ID: op.Val(n.NetworkInterfaceId), Subnet: subnet, VPC: op.Val(n.VpcId), Zone: op.Val(n.AvailabilityZone),
		Address: op.Val(n.PrivateIpAddress), MAC: op.Val(n.MacAddress), DNS: op.Val(n.PrivateDnsName),
	}
	if t.Network.PublicIP == "ENABLED" {
		by.Key += "/public"
		if _, err := op.Call(ctx, c.AWS, by, ec2.ModifyNetworkInterfaceAttribute, &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: &i.ID, AssociatePublicIpAddress: new(true),
		}); err != nil {
			return nil, err
		}
	}
	return event(taskAttached, i)
}

// final tells whether err is an answer that asking again does not change.
func final(err error) (*op.Error, bool) {
	e, ok := errors.AsType[*op.Error](err)
	return e, ok && !e.IsTransient()
}

func event(name string, body any) (*engine.Event, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", name, err)
	}
	return &engine.Event{Name: name, Body: b}, nil
}

// wave is the session that registers the targets of one deployment: the load
// balancer prefers the newest one as a whole, so that clients do not meet old and
// new in turns.
func (t *Task) wave() string {
	if t.Deployment == "" {
		return "ecs-service-scheduler"
	}
	return strings.ReplaceAll(t.Deployment, "/", "-")
}

func (t *Task) descriptions(g Target) []elbv2.TargetDescription {
	return []elbv2.TargetDescription{{Id: &t.Interface.Address, Port: &g.Port}}
}

// register puts the task into its target groups.
func (c *Control) register(ctx context.Context, _ engine.ID, t Task, _ engine.Effect, token string) (*engine.Event, error) {
	if t.Status != Activating {
		return event(taskRegistered, nil) // stopped meanwhile
	}
	for _, g := range t.Targets {
		_, err := op.Call(ctx, c.AWS, self(t.Scope, t.wave(), token+" "+g.Group), elbv2.RegisterTargets, &elbv2.RegisterTargetsInput{
			TargetGroupArn: &g.Group, Targets: t.descriptions(g),
		})
		if err != nil {
			return nil, err
		}
	}
	c.jobs.lookAtTargets()
	return event(taskRegistered, nil)
}

// deregister takes it out again; from then on its targets drain.
func (c *Control) deregister(ctx context.Context, _ engine.ID, t Task, f engine.Effect, token string) (*engine.Event, error) {
	var now []Target
	for _, g := range t.Targets {
		_, err := op.Call(ctx, c.AWS, self(t.Scope, t.wave(), fmt.Sprintf("%s %s %d", token, g.Group, t.Version)), elbv2.DeregisterTargets, &elbv2.DeregisterTargetsInput{
			TargetGroupArn: &g.Group, Targets: t.descriptions(g),
		})
		g.State, g.Reason = "draining", ""
		if e, isFinal := final(err); isFinal && (e.Code == "TargetGroupNotFound" || e.Code == "InvalidTarget") {
			g.State, err = "unused", nil
		}
		if err != nil {
			return nil, err
		}
		now = append(now, g)
	}
	c.jobs.lookAtTargets()
	return event(taskTargets, now)
}

// drive starts, in the background, what the task's status asks for.
func (c *Control) drive(_ context.Context, id engine.ID, _ Task, _ engine.Effect, _ string) (*engine.Event, error) {
	c.jobs.start(id.Scope, id.Key)
	return nil, nil
}

// erase deletes the document of a task that nobody can ask about any more.
func (c *Control) erase(ctx context.Context, id engine.ID, _ Task, _ engine.Effect, _ string) (*engine.Event, error) {
	return nil, c.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := c.tasks.Get(ctx, tx, id.Scope, id.Key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return c.tasks.Delete(ctx, tx, id.Scope, id.Key, d.Version)
	})
}
