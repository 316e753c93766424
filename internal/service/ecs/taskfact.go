package ecs

import (
	"encoding/json"
	"fmt"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
)

// tell counts a change, publishes it, and reports it to the task's service.
func (l *life) tell() {
	print := l.fingerprint()
	if print == l.Told {
		return
	}
	l.Told = print
	l.Version++
	if l.Status == Deleted {
		return
	}
	l.facts = append(l.facts, l.fact())
	if l.Service == "" {
		return
	}
	b, err := json.Marshal(l.replica())
	if err != nil {
		panic(err) // plain structs
	}
	l.effects = append(l.effects, engine.Effect{Do: "report", Name: fmt.Sprintf("report-%d", l.Version), Body: b})
}

// fingerprint is what clients and the service care for.
func (l *life) fingerprint() string {
	s := fmt.Sprint(l.Status, l.IsStopped, l.ProtectedUntil.Unix(), l.Interface.ID)
	for _, c := range l.Containers {
		s += fmt.Sprint(" ", c.Status, c.Health, c.RuntimeID != "")
	}
	for _, g := range l.Targets {
		s += fmt.Sprint(" ", g.State, g.Reason)
	}
	return s
}

func (t *Task) desired() string {
	if t.IsStopped {
		return "STOPPED"
	}
	return "RUNNING"
}

// fact is an ECS Task State Change.
func (l *life) fact() eventstream.Fact {
	d := map[string]any{
		"taskArn": l.arn(), "clusterArn": clusterARN(l.Scope, l.Cluster), "taskDefinitionArn": l.Definition,
		"group": l.Group, "lastStatus": string(l.Status), "desiredStatus": l.desired(), "version": l.Version,
		"launchType": l.LaunchType, "cpu": l.CPU, "memory": l.Memory, "createdAt": stamp(l.CreatedAt), "updatedAt": stamp(l.now),
		"containers": l.containerFacts(), "attachments": l.attachmentFacts(), "availabilityZone": l.Interface.Zone,
		"overrides": map[string]any{"containerOverrides": l.overrideFacts()}, "enableExecuteCommand": l.Exec, "platformVersion": platform(l.Platform),
	}
	for name, v := range map[string]string{"startedBy": l.StartedBy, "stopCode": l.StopCode, "stoppedReason": l.StopReason, "capacityProviderName": l.Provider} {
		if v != "" {
			d[name] = v
		}
	}
	for name, at := range map[string]string{
		"pullStartedAt": optional(l.PullStartedAt), "pullStoppedAt": optional(l.PullStoppedAt), "startedAt": optional(l.StartedAt),
		"stoppingAt": optional(l.StoppingAt), "stoppedAt": optional(l.StoppedAt), "executionStoppedAt": optional(l.ExecutionEndsAt),
	} {
		if at != "" {
			d[name] = at
		}
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return eventstream.Fact{Source: "aws.ecs", DetailType: "ECS Task State Change", Resources: []string{l.arn()}, Detail: b}
}

func (l *life) containerFacts() []map[string]any {
	all := []map[string]any{}
	for i := range l.Containers {
		c := &l.Containers[i]
		f := map[string]any{
			"containerArn": l.containerARN(c), "taskArn": l.arn(), "name": c.Name, "image": c.Image, "lastStatus": string(c.Status), "cpu": c.CPU,
		}
		for name, v := range map[string]string{"imageDigest": c.Digest, "runtimeId": c.RuntimeID, "reason": c.Reason, "memory": c.Memory} {
			if v != "" {
				f[name] = v
			}
		}
		if c.ExitCode != nil {
			f["exitCode"] = *c.ExitCode
		}
		if l.Interface.ID != "" {
			f["networkInterfaces"] = []map[string]string{{"attachmentId": l.Interface.Attachment, "privateIpv4Address": l.Interface.Address}}
		}
		all = append(all, f)
	}
	return all
}

func (l *life) attachmentFacts() []map[string]any {
	if l.Interface.ID == "" {
		return []map[string]any{}
	}
	var details []map[string]string
	for _, d := range l.attachmentDetails() {
		details = append(details, map[string]string{"name": d.Name, "value": d.Value})
	}
	return []map[string]any{{"id": l.Interface.Attachment, "type": "eni", "status": l.attachmentStatus(), "details": details}}
}

func (l *life) overrideFacts() []map[string]any {
	all := []map[string]any{}
	for _, c := range l.Containers {
		all = append(all, map[string]any{"name": c.Name})
	}
	return all
}

// attachmentDetails describe the interface as ECS does.
func (t *Task) attachmentDetails() []Variable {
	i := t.Interface
	return []Variable{
		{"subnetId", i.Subnet}, {"networkInterfaceId", i.ID}, {"macAddress", i.MAC}, {"privateDnsName", i.DNS}, {"privateIPv4Address", i.Address},
	}
}

func (t *Task) attachmentStatus() string {
	switch {
	case t.Interface.ID == "":
		return "PRECREATED"
	case t.Status == Stopped:
		return "DELETED"
	}
	return "ATTACHED"
}
