package ecs

import (
	"fmt"
	"strconv"
	"time"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
)

// newTask is a task of d as rev starts it, before its machine begins.
func newTask(d *Definition, rev Revision, cluster, id string, at time.Time) Task {
	t := Task{
		Scope: d.Scope, Cluster: cluster, ID: id, Definition: d.arn(), Group: "family:" + d.family(), LaunchType: rev.LaunchType,
		Platform: rev.Platform, CPU: op.Val(d.API.Cpu), Memory: op.Val(d.API.Memory), Network: rev.Network, CreatedAt: at, Status: Provisioning,
	}
	if t.LaunchType == "" {
		t.LaunchType = "FARGATE"
	}
	if role := op.Val(d.API.ExecutionRoleArn); role != "" {
		t.Execution = roleARN(d.Account, role)
	}
	if role := op.Val(d.API.TaskRoleArn); role != "" {
		t.Role = roleARN(d.Account, role)
	}
	for _, c := range d.API.ContainerDefinitions {
		t.Containers = append(t.Containers, newContainer(c, id))
	}
	for _, b := range rev.LoadBalancers {
		t.Targets = append(t.Targets, Target{Group: b.Group, Container: b.Container, Port: b.Port})
	}
	t.Interface.Attachment = ids.UUID("attachment " + id)
	return t
}

func newContainer(c api.ContainerDefinition, task string) Container {
	n := Container{
		Name: *c.Name, Image: *c.Image, UUID: ids.UUID("container " + task + " " + *c.Name), Essential: op.Or(c.Essential, true),
		Checked: c.HealthCheck != nil && len(c.HealthCheck.Command) > 0 && c.HealthCheck.Command[0] != "NONE", Status: Pending, Health: "UNKNOWN",
		StopTimeout: time.Duration(op.Or(c.StopTimeout, 30)) * time.Second, CPU: strconv.Itoa(int(op.Val(c.Cpu))),
	}
	if c.Memory != nil {
		n.Memory = strconv.Itoa(int(*c.Memory))
	}
	if c.MemoryReservation != nil {
		n.Soft = strconv.Itoa(int(*c.MemoryReservation))
	}
	return n
}

// override changes a task as RunTask asks for.
func (t *Task) override(o *api.TaskOverride) error {
	if o == nil {
		return nil
	}
	t.Overrides = Overrides{CPU: op.Val(o.Cpu), Memory: op.Val(o.Memory), Execution: op.Val(o.ExecutionRoleArn), Role: op.Val(o.TaskRoleArn)}
	for _, v := range []struct {
		to *string
		by string
	}{{&t.CPU, t.Overrides.CPU}, {&t.Memory, t.Overrides.Memory}} {
		if v.by != "" {
			*v.to = v.by
		}
	}
	if r := t.Overrides.Execution; r != "" {
		t.Execution = roleARN(t.Account, r)
	}
	if r := t.Overrides.Role; r != "" {
		t.Role = roleARN(t.Account, r)
	}
	for _, c := range o.ContainerOverrides {
		if t.container(op.Val(c.Name)) == nil {
			return api.InvalidParameterException("Override for container named %s is not a container in the TaskDefinition.", op.Val(c.Name))
		}
		if len(c.EnvironmentFiles) > 0 || len(c.ResourceRequirements) > 0 {
			return api.InvalidParameterException("Overrides of environmentFiles and resourceRequirements are not supported.")
		}
		x := ContainerOverride{Name: *c.Name, Command: c.Command, CPU: c.Cpu, Memory: c.Memory, Reservation: c.MemoryReservation}
		for _, v := range c.Environment {
			x.Environment = append(x.Environment, Variable{op.Val(v.Name), op.Val(v.Value)})
		}
		t.Overrides.Containers = append(t.Overrides.Containers, x)
	}
	cpu, memory, ok := size(t.CPU, t.Memory)
	if !ok {
		return api.ClientException("No Fargate configuration exists for given values.")
	}
	t.CPU, t.Memory = cpu, memory
	return nil
}

// tag adds what a task inherits and what ECS itself sets.
func (t *Task) tag(own, inherited []Tag, managed bool) {
	t.Tags = append(t.Tags, own...)
	for _, i := range inherited {
		if !hasTag(t.Tags, i.Key) {
			t.Tags = append(t.Tags, i)
		}
	}
	if managed {
		t.Tags = append(t.Tags, Tag{"aws:ecs:clusterName", t.Cluster})
		if t.Service != "" {
			t.Tags = append(t.Tags, Tag{"aws:ecs:serviceName", t.Service})
		}
	}
}

func hasTag(tags []Tag, key string) bool {
	for _, t := range tags {
		if t.Key == key {
			return true
		}
	}
	return false
}

func taskSeed(key string, n int) string {
	if key == "" {
		return ""
	}
	return fmt.Sprintf("run %s %d", key, n)
}
