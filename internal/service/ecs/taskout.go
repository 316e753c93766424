package ecs

import (
	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
)

// taskOut is a task as the API tells it.
func taskOut(t *Task, withTags bool) api.Task {
	out := api.Task{
		TaskArn: new(t.arn()), ClusterArn: new(clusterARN(t.Scope, t.Cluster)), TaskDefinitionArn: &t.Definition, Group: &t.Group,
		LastStatus: new(string(t.Status)), DesiredStatus: new(t.desired()), LaunchType: &t.LaunchType, CapacityProviderName: op.Opt(t.Provider),
		Cpu: op.Opt(t.CPU), Memory: op.Opt(t.Memory), PlatformVersion: new(platform(t.Platform)), PlatformFamily: new("Linux"),
		StartedBy: op.Opt(t.StartedBy), Version: new(int64(max(t.Version, 1))), HealthStatus: new(t.health()), EnableExecuteCommand: &t.Exec,
		StopCode: op.Opt(t.StopCode), StoppedReason: op.Opt(t.StopReason), AvailabilityZone: op.Opt(t.Interface.Zone),
		CreatedAt: op.At(t.CreatedAt), PullStartedAt: op.At(t.PullStartedAt), PullStoppedAt: op.At(t.PullStoppedAt), StartedAt: op.At(t.StartedAt),
		StoppingAt: op.At(t.StoppingAt), StoppedAt: op.At(t.StoppedAt), ExecutionStoppedAt: op.At(t.ExecutionEndsAt),
		Overrides: overridesOut(t), Containers: []api.Container{}, Tags: []api.Tag{}, InferenceAccelerators: []api.InferenceAccelerator{},
		Attributes:       []api.Attribute{{Name: new("ecs.cpu-architecture"), Value: new(map[string]string{"X86_64": "x86_64", "ARM64": "arm64"}[architecture])}},
		EphemeralStorage: &api.EphemeralStorage{SizeInGiB: new(int32(20))},
	}
	if !t.PullStartedAt.IsZero() {
		out.Connectivity, out.ConnectivityAt = new("CONNECTED"), op.At(t.PullStartedAt)
	}
	if withTags {
		out.Tags = tagsOut(t.Tags)
	}
	attachment := api.Attachment{Id: &t.Interface.Attachment, Type: new("ElasticNetworkInterface"), Status: new(t.attachmentStatus())}
	for _, d := range t.attachmentDetails() {
		if d.Value != "" {
			attachment.Details = append(attachment.Details, api.KeyValuePair{Name: &d.Name, Value: &d.Value})
		}
	}
	out.Attachments = []api.Attachment{attachment}
	for i := range t.Containers {
		out.Containers = append(out.Containers, containerOut(t, &t.Containers[i]))
	}
	return out
}

func containerOut(t *Task, c *Container) api.Container {
	out := api.Container{
		ContainerArn: new(t.containerARN(c)), TaskArn: new(t.arn()), Name: &c.Name, Image: &c.Image, ImageDigest: op.Opt(c.Digest),
		RuntimeId: op.Opt(c.RuntimeID), LastStatus: new(string(c.Status)), Reason: op.Opt(c.Reason), HealthStatus: op.Opt(c.Health),
		NetworkBindings: []api.NetworkBinding{}, NetworkInterfaces: []api.NetworkInterface{},
		Cpu: op.Opt(c.CPU), Memory: op.Opt(c.Memory), MemoryReservation: op.Opt(c.Soft),
	}
	if c.ExitCode != nil {
		out.ExitCode = new(int32(*c.ExitCode))
	}
	if t.Interface.ID != "" {
		out.NetworkInterfaces = append(out.NetworkInterfaces, api.NetworkInterface{AttachmentId: &t.Interface.Attachment, PrivateIpv4Address: &t.Interface.Address})
	}
	return out
}

func overridesOut(t *Task) *api.TaskOverride {
	o := t.Overrides
	out := &api.TaskOverride{
		Cpu: op.Opt(o.CPU), Memory: op.Opt(o.Memory), ExecutionRoleArn: op.Opt(o.Execution), TaskRoleArn: op.Opt(o.Role),
		ContainerOverrides: []api.ContainerOverride{}, InferenceAcceleratorOverrides: []api.InferenceAcceleratorOverride{},
	}
	for _, c := range t.Containers {
		x := api.ContainerOverride{Name: &c.Name}
		for _, by := range o.Containers {
			if by.Name != c.Name {
				continue
			}
			x.Command, x.Cpu, x.Memory, x.MemoryReservation = by.Command, by.CPU, by.Memory, by.Reservation
			for _, v := range by.Environment {
				x.Environment = append(x.Environment, api.KeyValuePair{Name: &v.Name, Value: &v.Value})
			}
		}
		out.ContainerOverrides = append(out.ContainerOverrides, x)
	}
	return out
}
