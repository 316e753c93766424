package docker

import (
	"maps"
	"math"
	"runtime"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
)

// logLimits bound what one container's output takes on disk: our own store has
// taken the lines long before.
var logLimits = map[string]string{"max-size": "64m", "max-file": "4"}

// options translates a container. The user's labels come first, so that none can
// pose as one of ours.
func (b *Backend) options(p compute.Pod, c compute.Container, image, pauseID string, t trusted) client.ContainerCreateOptions {
	labels := map[string]string{}
	maps.Copy(labels, c.Labels)
	maps.Copy(labels, map[string]string{
		LabelInstallation: b.cfg.Installation, LabelPod: p.Name, LabelOwner: p.Owner,
		labelContainer: c.Name, labelRole: roleApp,
	})
	cfg := &container.Config{
		Image: image, Entrypoint: c.Entry, Cmd: c.Args, Env: environment(c, t), User: c.User,
		WorkingDir: c.WorkingDir, StopSignal: c.StopSignal, Labels: labels, Healthcheck: healthCheck(c.Health),
	}
	host := &container.HostConfig{
		NetworkMode:    container.NetworkMode("container:" + pauseID),
		LogConfig:      container.LogConfig{Type: "json-file", Config: logLimits},
		ReadonlyRootfs: c.ReadOnlyRoot,
		Resources:      resources(c),
		Mounts:         b.mounts(p.Name, c, t),
	}
	if c.Init {
		host.Init = &c.Init
	}
	if c.Privileged {
		b.caps.privileged(host)
	}
	return client.ContainerCreateOptions{Name: b.containerName(p.Name, c.Name), Config: cfg, HostConfig: host}
}

func resources(c compute.Container) container.Resources {
	r := container.Resources{Memory: c.Memory, MemorySwap: c.Memory, MemoryReservation: c.MemoryHint}
	if c.CPU > 0 { // the Engine refuses more than the host has; AWS's sizes are limits, not demands
		r.NanoCPUs = int64(math.Min(c.CPU, float64(runtime.NumCPU())) * 1e9)
	}
	for _, u := range c.Ulimits {
		r.Ulimits = append(r.Ulimits, &container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return r
}

// healthCheck never lets the image's own check count: AWS does not report it.
func healthCheck(h *compute.Health) *container.HealthConfig {
	if h == nil {
		return &container.HealthConfig{Test: []string{"NONE"}}
	}
	test := h.Command
	if len(test) > 0 && test[0] != "CMD" && test[0] != "CMD-SHELL" && test[0] != "NONE" {
		test = append([]string{"CMD"}, test...)
	}
	return &container.HealthConfig{
		Test: test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries,
	}
}

func (b *Backend) mounts(pod string, c compute.Container, t trusted) []mount.Mount {
	var ms []mount.Mount
	for _, m := range c.Mounts {
		source := m.HostPath
		if m.Volume != "" {
			source = b.volume(pod, m.Volume)
		}
		ms = append(ms, mount.Mount{Type: mount.TypeBind, Source: source, Target: m.Path, ReadOnly: m.ReadOnly})
	}
	if c.ReadOnlyRoot {
		for _, f := range t.Files {
			ms = append(ms, mount.Mount{Type: mount.TypeBind, Source: f.Host, Target: f.Path, ReadOnly: true})
		}
	}
	return ms
}

// environment adds, where neither the container nor its image says, what makes tools
// with roots of their own use the bundle that has our CA.
func environment(c compute.Container, t trusted) []string {
	env := c.Env
	if t.Bundle == "" {
		return env
	}
	set := map[string]bool{}
	for _, name := range t.Set {
		set[name] = true
	}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		set[name] = true
	}
	env = append([]string(nil), env...)
	for _, name := range trustVariables {
		if !set[name] {
			env = append(env, name+"="+t.Bundle)
		}
	}
	return env
}
