package ecs

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/store"
)

// Metadata answers /v3/ID… and /v4/ID… at 169.254.170.2: what a container may know
// of itself and its task. ID says where the task is found.
func (c *Control) Metadata() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		if len(parts) < 2 || parts[0] != "v3" && parts[0] != "v4" {
			http.NotFound(w, r)
			return
		}
		scope, id, n, ok := parseMetadataID(parts[1])
		if !ok {
			http.Error(w, "V4 container metadata handler: unable to get container ID from request", http.StatusBadRequest)
			return
		}
		t, err := c.jobs.task(r.Context(), scope, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && n >= len(t.Containers) {
			http.Error(w, "V4 container metadata handler: unable to find the task of the request", http.StatusNotFound)
			return
		}
		if err != nil {
			c.Log.Error("container metadata", "task", id, "error", err)
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		var answer any
		switch strings.Join(parts[2:], "/") {
		case "":
			answer = t.containerMetadata(&t.Containers[n])
		case "task", "taskWithTags":
			answer = t.metadata(parts[2] == "taskWithTags")
		default:
			http.Error(w, "this metadata path is not supported", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			c.Log.Debug("container metadata", "task", id, "error", err) // the container went away
		}
	})
}

func (t *Task) metadata(withTags bool) map[string]any {
	family, revision, _ := strings.Cut(nameOf(t.Definition), ":")
	m := map[string]any{
		"Cluster": clusterARN(t.Scope, t.Cluster), "TaskARN": t.arn(), "Family": family, "Revision": revision, "ServiceName": t.Service,
		"DesiredStatus": t.desired(), "KnownStatus": string(t.Status), "AvailabilityZone": t.Interface.Zone, "LaunchType": t.LaunchType,
		"VPCID": t.Interface.VPC, "Limits": limitsOut(t.CPU, t.Memory, 1024),
	}
	if !t.PullStartedAt.IsZero() {
		m["PullStartedAt"], m["PullStoppedAt"] = stamp(t.PullStartedAt), stamp(t.PullStoppedAt)
	}
	containers := []map[string]any{}
	for i := range t.Containers {
		containers = append(containers, t.containerMetadata(&t.Containers[i]))
	}
	m["Containers"] = containers
	if withTags {
		tags := map[string]string{}
		for _, tag := range t.Tags {
			tags[tag.Key] = tag.Value
		}
		m["TaskTags"] = tags
	}
	return m
}

func (t *Task) containerMetadata(c *Container) map[string]any {
	family, revision, _ := strings.Cut(nameOf(t.Definition), ":")
	m := map[string]any{
		"DockerId": c.RuntimeID, "Name": c.Name, "DockerName": c.Name, "Image": c.Image, "ImageID": c.Digest, "DesiredStatus": t.desired(),
		"KnownStatus": string(c.Status), "Type": "NORMAL", "ContainerARN": t.containerARN(c), "Limits": limitsOut(c.CPU, c.Memory, 1),
		"Labels": map[string]string{
			"com.amazonaws.ecs.cluster": clusterARN(t.Scope, t.Cluster), "com.amazonaws.ecs.container-name": c.Name, "com.amazonaws.ecs.task-arn": t.arn(),
			"com.amazonaws.ecs.task-definition-family": family, "com.amazonaws.ecs.task-definition-version": revision,
		},
		"Networks": []map[string]any{{"NetworkMode": "awsvpc", "IPv4Addresses": []string{t.Interface.Address}, "AttachmentIndex": 0, "MACAddress": t.Interface.MAC, "PrivateDNSName": t.Interface.DNS}},
	}
	if !c.StartedAt.IsZero() {
		m["CreatedAt"], m["StartedAt"] = stamp(c.StartedAt), stamp(c.StartedAt)
	}
	if c.ExitCode != nil {
		m["ExitCode"], m["FinishedAt"] = *c.ExitCode, stamp(c.ExitedAt)
	}
	if c.Checked {
		m["Health"] = map[string]any{"status": c.Health}
	}
	return m
}

// limitsOut are limits as numbers: a task's CPU is told in vCPUs, a container's in units.
func limitsOut(cpu, memory string, per float64) map[string]any {
	out := map[string]any{}
	if n, err := strconv.ParseFloat(cpu, 64); err == nil {
		out["CPU"] = n / per
	}
	if n, err := strconv.Atoi(memory); err == nil {
		out["Memory"] = n
	}
	return out
}
