package ecs

import (
	"slices"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
)

// materialise is the task definition that a checked request registers, with the
// defaults that AWS writes into it.
func materialise(in *api.RegisterTaskDefinitionInput) api.TaskDefinition {
	cpu, memory, _ := size(op.Val(in.Cpu), op.Val(in.Memory))
	d := api.TaskDefinition{
		Family: in.Family, Status: new("ACTIVE"), TaskRoleArn: op.Opt(op.Val(in.TaskRoleArn)), ExecutionRoleArn: op.Opt(op.Val(in.ExecutionRoleArn)),
		NetworkMode: new(networkMode(in)), Volumes: orEmpty(in.Volumes), PlacementConstraints: orEmpty(in.PlacementConstraints),
		RequiresCompatibilities: in.RequiresCompatibilities, Cpu: op.Opt(cpu), Memory: op.Opt(memory),
		InferenceAccelerators: in.InferenceAccelerators, PidMode: op.Opt(op.Val(in.PidMode)), IpcMode: op.Opt(op.Val(in.IpcMode)),
		ProxyConfiguration: in.ProxyConfiguration, EphemeralStorage: in.EphemeralStorage, RuntimePlatform: in.RuntimePlatform,
		EnableFaultInjection: in.EnableFaultInjection,
	}
	for _, c := range in.ContainerDefinitions {
		d.ContainerDefinitions = append(d.ContainerDefinitions, materialiseContainer(c, *d.NetworkMode))
	}
	for i := range d.Volumes {
		if d.Volumes[i].Host == nil && d.Volumes[i].EfsVolumeConfiguration == nil && d.Volumes[i].DockerVolumeConfiguration == nil {
			d.Volumes[i].Host = &api.HostVolumeProperties{}
		}
	}
	d.Compatibilities = []string{"EC2"}
	if *d.NetworkMode == "awsvpc" && cpu != "" && memory != "" && fargateError(in) == nil {
		d.Compatibilities = append(d.Compatibilities, "FARGATE")
	}
	if slices.Contains(in.RequiresCompatibilities, "EXTERNAL") {
		d.Compatibilities = append([]string{"EXTERNAL"}, d.Compatibilities...)
	}
	d.RequiresAttributes = attributes(&d)
	return d
}

func networkMode(in *api.RegisterTaskDefinitionInput) string {
	if mode := op.Val(in.NetworkMode); mode != "" {
		return mode
	}
	return "bridge"
}

func materialiseContainer(c api.ContainerDefinition, mode string) api.ContainerDefinition {
	c.Cpu = new(op.Val(c.Cpu))
	c.Essential = new(op.Or(c.Essential, true))
	c.Environment, c.MountPoints = orEmpty(c.Environment), orEmpty(c.MountPoints)
	c.VolumesFrom, c.SystemControls = orEmpty(c.VolumesFrom), orEmpty(c.SystemControls)
	c.PortMappings = slices.Clone(orEmpty(c.PortMappings))
	for i := range c.PortMappings {
		p := &c.PortMappings[i]
		p.Protocol = new(op.Or(op.Opt(op.Val(p.Protocol)), "tcp"))
		if p.HostPort == nil || *p.HostPort == 0 {
			p.HostPort = new(int32(0))
			if mode != "bridge" {
				p.HostPort = p.ContainerPort
			}
		}
	}
	if h := c.HealthCheck; h != nil && len(h.Command) > 0 {
		c.HealthCheck = &api.HealthCheck{
			Command: h.Command, Interval: new(op.Or(h.Interval, 30)), Timeout: new(op.Or(h.Timeout, 5)),
			Retries: new(op.Or(h.Retries, 3)), StartPeriod: h.StartPeriod,
		}
	}
	return c
}

// attributes are what a container instance would need, as AWS lists them.
func attributes(d *api.TaskDefinition) []api.Attribute {
	names := map[string]bool{}
	add := func(condition bool, name string) {
		if condition {
			names[name] = true
		}
	}
	add(*d.NetworkMode == "awsvpc", "ecs.capability.task-eni")
	add(d.TaskRoleArn != nil, "com.amazonaws.ecs.capability.task-iam-role")
	add(true, "com.amazonaws.ecs.capability.docker-remote-api.1.18")
	for _, c := range d.ContainerDefinitions {
		add(c.HealthCheck != nil, "ecs.capability.container-health-check")
		add(len(c.DependsOn) > 0, "ecs.capability.container-ordering")
		if l := c.LogConfiguration; l != nil {
			add(op.Val(l.LogDriver) == "awslogs", "com.amazonaws.ecs.capability.logging-driver.awslogs")
			add(op.Val(l.LogDriver) == "awslogs", "ecs.capability.execution-role-awslogs")
		}
		for _, s := range c.Secrets {
			isManager := isSecretsManager(op.Val(s.ValueFrom))
			add(isManager, "ecs.capability.secrets.asm.environment-variables")
			add(!isManager, "ecs.capability.secrets.ssm.environment-variables")
		}
	}
	var sorted []string
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	out := []api.Attribute{}
	for _, name := range sorted {
		out = append(out, api.Attribute{Name: &name})
	}
	return out
}

// orEmpty is a list that JSON writes as [] where it is absent.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
