package ecs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const ownerPrefix = "ecs.task/"

func owner(s store.Scope, id string) string {
	return ownerPrefix + s.Account + "/" + s.Region + "/" + id
}

// ownedBy reads owner back.
func ownedBy(owner string) (s store.Scope, id string, ok bool) {
	p := strings.Split(strings.TrimPrefix(owner, ownerPrefix), "/")
	if !strings.HasPrefix(owner, ownerPrefix) || len(p) != 3 {
		return s, "", false
	}
	return store.Scope{Account: p[0], Region: p[1]}, p[2], true
}

// podOf describes the pod of a task. images and secrets are by container name.
func podOf(t *Task, d *Definition, images map[string]string, secrets map[string][]string, ticket string) compute.Pod {
	p := compute.Pod{Name: t.pod(), Owner: owner(t.Scope, t.ID), Interface: t.Interface.ID, Tag: owner(t.Scope, t.ID)}
	for i, c := range d.API.ContainerDefinitions {
		x := containerOf(t, c)
		x.Image = images[*c.Name]
		x.Env = append(x.Env, secrets[*c.Name]...)
		x.Env = append(x.Env, injected(t, i, ticket, x.Env)...)
		p.Containers = append(p.Containers, x)
	}
	return p
}

func containerOf(t *Task, c api.ContainerDefinition) compute.Container {
	x := compute.Container{
		Name: *c.Name, Entry: c.EntryPoint, Args: c.Command, User: op.Val(c.User), WorkingDir: op.Val(c.WorkingDirectory), Essential: *c.Essential,
		Privileged: op.Val(c.Privileged), ReadOnlyRoot: op.Val(c.ReadonlyRootFilesystem), TrustCA: true,
		StopTimeout: time.Duration(op.Or(c.StopTimeout, 30)) * time.Second, Labels: map[string]string{},
	}
	for name, value := range c.DockerLabels {
		x.Labels[name] = value
	}
	x.Labels["com.amazonaws.ecs.cluster"] = t.Cluster
	x.Labels["com.amazonaws.ecs.task-arn"] = t.arn()
	x.Labels["com.amazonaws.ecs.container-name"] = *c.Name
	family, revision, _ := strings.Cut(nameOf(t.Definition), ":")
	x.Labels["com.amazonaws.ecs.task-definition-family"], x.Labels["com.amazonaws.ecs.task-definition-version"] = family, revision
	for _, v := range c.Environment {
		x.Env = append(x.Env, op.Val(v.Name)+"="+op.Val(v.Value))
	}
	limits(&x, t, c)
	for _, d := range c.DependsOn {
		x.After = append(x.After, compute.Dependency{Container: op.Val(d.ContainerName), Condition: op.Val(d.Condition)})
	}
	if h := c.HealthCheck; h != nil && len(h.Command) > 0 {
		x.Health = &compute.Health{Command: h.Command, Interval: seconds(h.Interval), Timeout: seconds(h.Timeout), StartPeriod: seconds(h.StartPeriod), Retries: int(op.Val(h.Retries))}
		if first := h.Command[0]; first != "CMD" && first != "CMD-SHELL" && first != "NONE" {
			x.Health.Command = append([]string{"CMD"}, h.Command...)
		}
	}
	for _, u := range c.Ulimits {
		x.Ulimits = append(x.Ulimits, compute.Ulimit{Name: op.Val(u.Name), Soft: int64(op.Val(u.SoftLimit)), Hard: int64(op.Val(u.HardLimit))})
	}
	for _, m := range c.MountPoints {
		x.Mounts = append(x.Mounts, compute.Mount{Volume: op.Val(m.SourceVolume), Path: op.Val(m.ContainerPath), ReadOnly: op.Val(m.ReadOnly)})
	}
	if l := c.LinuxParameters; l != nil {
		x.Init = op.Val(l.InitProcessEnabled)
	}
	override(&x, t)
	return x
}

// limits: a container's own memory, else the task's; CPU is the task's, which the
// containers share, so each is bounded by the whole.
func limits(x *compute.Container, t *Task, c api.ContainerDefinition) {
	const mib = 1 << 20
	if units, err := strconv.Atoi(t.CPU); err == nil {
		x.CPU = float64(units) / 1024
	}
	if memory, err := strconv.Atoi(t.Memory); err == nil {
		x.Memory = int64(memory) * mib
	}
	if m := op.Val(c.Memory); m > 0 {
		x.Memory = int64(m) * mib
	}
	x.MemoryHint = int64(op.Val(c.MemoryReservation)) * mib
}

func override(x *compute.Container, t *Task) {
	for _, o := range t.Overrides.Containers {
		if o.Name != x.Name {
			continue
		}
		if o.Command != nil {
			x.Args = o.Command
		}
		if o.Memory != nil {
			x.Memory = int64(*o.Memory) << 20
		}
		for _, v := range o.Environment {
			x.Env = append(x.Env, v.Name+"="+v.Value)
		}
	}
}

func seconds(n *int32) time.Duration { return time.Duration(op.Val(n)) * time.Second }

// injected are the variables that ECS adds; the region only where nobody set it.
func injected(t *Task, container int, ticket string, env []string) []string {
	id := metadataID(t, container)
	out := []string{
		"AWS_EXECUTION_ENV=AWS_ECS_FARGATE",
		"ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/" + id,
		"ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/" + id,
		"ECS_AGENT_URI=http://169.254.170.2/api/" + id,
	}
	if ticket != "" {
		out = append(out, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/"+ticket)
	}
	for _, v := range env {
		if strings.HasPrefix(v, "AWS_REGION=") || strings.HasPrefix(v, "AWS_DEFAULT_REGION=") {
			return out
		}
	}
	return append(out, "AWS_REGION="+t.Region, "AWS_DEFAULT_REGION="+t.Region)
}

// metadataID names one container to the metadata endpoint: it says where the task
// is found, so that the endpoint keeps nothing.
func metadataID(t *Task, container int) string {
	return fmt.Sprintf("%s-%d-%s-%s", t.ID, container, t.Account, t.Region)
}

func parseMetadataID(id string) (s store.Scope, task string, container int, ok bool) {
	p := strings.SplitN(id, "-", 4)
	if len(p) != 4 {
		return s, "", 0, false
	}
	n, err := strconv.Atoi(p[1])
	return store.Scope{Account: p[2], Region: p[3]}, p[0], n, err == nil && n >= 0
}
