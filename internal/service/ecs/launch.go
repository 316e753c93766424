package ecs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// launch fetches what a task needs as its execution role and asks for its pod.
func (j *jobs) launch(ctx context.Context, t Task) error {
	if t.IsStopped {
		return nil
	}
	started := launched{PullStartedAt: j.c.Clock.Now(), Digests: map[string]string{}}
	pod, err := j.prepare(ctx, &t, &started)
	if err == nil {
		started.PullStoppedAt = j.c.Clock.Now()
		if err := j.tell(ctx, t.Scope, t.ID, taskLaunched, started); err != nil {
			return err
		}
		var s compute.Status
		if s, err = j.c.Pods.Ensure(ctx, pod); err == nil {
			j.observe(ctx, s)
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*op.Error](err); compute.IsAway(err) || ok && e.IsTransient() {
		return err // the task waits, PENDING
	}
	var why *startFailure
	if !errors.As(err, &why) {
		why = &startFailure{reason: classify(err, "CannotStartContainerError")}
	}
	j.c.Log.Info("task does not start", "task", t.ID, "reason", why.reason)
	return j.tell(ctx, t.Scope, t.ID, taskFailed, failure{Reason: why.reason, Container: why.container})
}

// startFailure is a reason in AWS's words, and the container it belongs to.
type startFailure struct {
	reason, container string
	cause             error // the call that failed, if it was one
}

func (f *startFailure) Error() string { return f.reason }
func (f *startFailure) Unwrap() error { return f.cause }

// classify gives an error one of AWS's names where it has none: other, and what it says.
func classify(err error, other string) string {
	text := err.Error()
	for _, name := range []string{"CannotPullContainerError", "CannotCreateContainerError", "CannotStartContainerError", "ResourceInitializationError", "ContainerRuntimeError"} {
		if i := strings.Index(text, name); i >= 0 {
			return text[i:]
		}
	}
	return other + ": " + text
}

// prepare checks the roles, reads the secrets, makes the log streams, brings the
// images, in this order, and describes the pod.
func (j *jobs) prepare(ctx context.Context, t *Task, found *launched) (compute.Pod, error) {
	var d Definition
	err := j.c.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		for _, role := range []string{t.Execution, t.Role} {
			if role == "" {
				continue
			}
			reason, err := j.c.assumable(ctx, r, role)
			if err != nil {
				return err
			}
			if reason != "" {
				return &startFailure{reason: reason}
			}
		}
		doc, err := j.c.definition(ctx, r, t.Scope, t.Definition)
		d = doc.Value
		return err
	})
	if err != nil {
		return compute.Pod{}, err
	}
	secrets, err := j.secrets(ctx, t, &d)
	if err != nil {
		return compute.Pod{}, err
	}
	if err := j.openLogs(ctx, t, &d); err != nil {
		return compute.Pod{}, err
	}
	images := map[string]string{}
	for _, c := range d.API.ContainerDefinitions {
		if images[*c.Name], err = j.pull(ctx, t, *c.Name, *c.Image); err != nil {
			return compute.Pod{}, err
		}
		if _, digest, ok := strings.Cut(images[*c.Name], "@"); ok {
			found.Digests[*c.Name] = digest
		}
	}
	ticket := ""
	if t.Role != "" && j.c.Tickets != nil {
		if ticket, err = j.c.Tickets.Ticket(t.Role, t.ID, tasksPrincipal); err != nil {
			return compute.Pod{}, fmt.Errorf("seal the task role's ticket: %w", err)
		}
	}
	return podOf(t, &d, images, secrets, ticket), nil
}

func (j *jobs) pull(ctx context.Context, t *Task, container, image string) (string, error) {
	if j.c.Images == nil {
		return image, nil
	}
	id, err := j.c.Images.Pull(ctx, t.Account, t.Region, t.Execution, image)
	switch {
	case err == nil && id == "":
		return image, nil
	case err == nil || ctx.Err() != nil || compute.IsAway(err):
		return id, err
	}
	return "", &startFailure{reason: classify(err, "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "+image), container: container}
}

// kill stops the pod: SIGTERM, its stop timeouts, SIGKILL.
func (j *jobs) kill(ctx context.Context, t Task) error {
	var grace time.Duration
	for _, c := range t.Containers {
		grace = max(grace, c.StopTimeout)
	}
	if err := j.c.Pods.Stop(ctx, t.pod(), grace); err != nil {
		j.c.Log.Info("stop of a pod", "task", t.ID, "error", err) // not there: List tells
	}
	s, found, err := j.pod(ctx, t)
	if err != nil {
		return err
	}
	if !found || s.Phase == compute.Stopped || s.Phase == compute.Lost {
		return j.tell(ctx, t.Scope, t.ID, taskKilled, s)
	}
	return nil // the watch tells when it has stopped
}

func (j *jobs) pod(ctx context.Context, t Task) (compute.Status, bool, error) {
	pods, err := j.c.Pods.List(ctx)
	if err != nil {
		return compute.Status{}, false, fmt.Errorf("list pods: %w", err)
	}
	for _, s := range pods {
		if s.Pod == t.pod() {
			return s, true, nil
		}
	}
	return compute.Status{}, false, nil
}

// release keeps the last lines, then removes pod and interface.
func (j *jobs) release(ctx context.Context, t Task) error {
	s, found, err := j.pod(ctx, t)
	if err != nil {
		return err
	}
	if found {
		j.followAll(s)
		j.waitForLogs(ctx, s)
	}
	if err := j.c.Pods.Remove(ctx, t.pod()); err != nil {
		return fmt.Errorf("remove pod %s: %w", t.pod(), err)
	}
	j.mu.Lock()
	delete(j.seen, t.pod())
	j.mu.Unlock()
	if t.Interface.ID != "" {
		_, err := op.Call(ctx, j.c.AWS, self(t.Scope, "ecs-task-provisioning", "release/"+t.ID), ec2.DeleteNetworkInterface, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &t.Interface.ID})
		if e, isFinal := final(err); err != nil && !(isFinal && e.Code == "InvalidNetworkInterfaceID.NotFound") {
			return fmt.Errorf("delete interface %s: %w", t.Interface.ID, err)
		}
	}
	return j.tell(ctx, t.Scope, t.ID, taskReleased, nil)
}
