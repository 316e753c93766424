package ecs

import (
	"context"
	"fmt"
	"sync"
	"time"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// logStream is where a container's output goes; ok is false for one without awslogs.
func logStream(t *Task, c *api.ContainerDefinition) (s logstore.Stream, ok bool) {
	l := c.LogConfiguration
	if l == nil || op.Val(l.LogDriver) != "awslogs" {
		return s, false
	}
	name := t.ID
	if prefix := l.Options["awslogs-stream-prefix"]; prefix != "" {
		name = prefix + "/" + *c.Name + "/" + t.ID
	}
	region := l.Options["awslogs-region"]
	if region == "" {
		region = t.Region
	}
	return logstore.Stream{Account: t.Account, Region: region, Group: l.Options["awslogs-group"], Name: name}, true
}

// openLogs makes the streams as the execution role, which must also be allowed to write to them.
func (j *jobs) openLogs(ctx context.Context, t *Task, d *Definition) error {
	for i := range d.API.ContainerDefinitions {
		c := &d.API.ContainerDefinitions[i]
		s, ok := logStream(t, c)
		if !ok {
			continue
		}
		by := t.execution("")
		by.Region = s.Region
		if c.LogConfiguration.Options["awslogs-create-group"] == "true" {
			_, err := op.Call(ctx, j.c.AWS, by, logs.CreateLogGroup, &logs.CreateLogGroupInput{LogGroupName: &s.Group})
			if e, _ := final(err); err != nil && (e == nil || e.Code != "ResourceAlreadyExistsException") {
				return logFailure("failed to create Cloudwatch log group: ", err)
			}
		}
		_, err := op.Call(ctx, j.c.AWS, by, logs.CreateLogStream, &logs.CreateLogStreamInput{LogGroupName: &s.Group, LogStreamName: &s.Name})
		if e, _ := final(err); err != nil && (e == nil || e.Code != "ResourceAlreadyExistsException") {
			return logFailure("create stream has been retried 1 times: failed to create Cloudwatch log stream: ", err)
		}
		err = j.c.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
			return j.c.Guard.Allow(ctx, r, by, "logs:PutLogEvents", arn.New("logs", s.Region, s.Account, "log-group:"+s.Group+":log-stream:"+s.Name), nil)
		})
		if err != nil {
			return logFailure("failed to put events: ", err)
		}
	}
	return nil
}

func logFailure(what string, err error) error {
	return &startFailure{reason: "ResourceInitializationError: failed to validate logger args: " + what + awsText(err), cause: err}
}

// follow is the following of one container's output.
type follow struct {
	done   chan struct{}
	cancel context.CancelFunc

	mu    sync.Mutex
	first uint64
	lines []logstore.Line
	more  chan struct{}
}

// followAll follows every container of a pod that has started and is not followed yet.
func (j *jobs) followAll(s compute.Status) {
	scope, id, ok := ownedBy(s.Owner)
	if !ok || j.c.Logs == nil {
		return
	}
	for _, c := range s.Containers {
		if c.StartedAt.IsZero() && c.Exit == nil {
			continue
		}
		j.mu.Lock()
		key := s.Pod + "/" + c.Name
		if j.follows[key] == nil && j.ctx != nil && j.ctx.Err() == nil {
			ctx, cancel := context.WithCancel(j.ctx)
			f := &follow{done: make(chan struct{}), cancel: cancel, more: make(chan struct{}, 1)}
			j.follows[key] = f
			j.work.Go(func() {
				defer close(f.done)
				defer cancel()
				j.insist(ctx, id, "logs of "+c.Name, func() error { return j.follow(ctx, f, scope, id, c.Name) })
			})
		}
		j.mu.Unlock()
	}
}

// How long the removal of a pod waits for its last lines; those of one that is lost
// are most likely gone with it.
const (
	logWait     = time.Minute
	logWaitLost = 5 * time.Second
)

// waitForLogs waits until all output of a stopped pod is kept, and ends the following.
func (j *jobs) waitForLogs(ctx context.Context, s compute.Status) {
	wait := logWait
	if s.Phase == compute.Lost {
		wait = logWaitLost
	}
	deadline := j.c.Clock.After(wait)
	isLate := false
	for _, c := range s.Containers {
		key := s.Pod + "/" + c.Name
		j.mu.Lock()
		f := j.follows[key]
		delete(j.follows, key)
		j.mu.Unlock()
		if f == nil {
			continue
		}
		if !isLate {
			select {
			case <-f.done:
			case <-ctx.Done():
			case <-deadline:
				isLate = true
				j.c.Log.Warn("a container's last lines may be missing", "pod", s.Pod, "container", c.Name)
			}
		}
		f.cancel()
	}
}

func (j *jobs) follow(ctx context.Context, f *follow, s store.Scope, id, container string) error {
	t, err := j.task(ctx, s, id)
	if err != nil {
		return err
	}
	var stream logstore.Stream
	err = j.c.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		d, err := j.c.definition(ctx, r, s, t.Definition)
		for i := range d.Value.API.ContainerDefinitions {
			if c := &d.Value.API.ContainerDefinitions[i]; *c.Name == container {
				stream, _ = logStream(&t, c)
			}
		}
		return err
	})
	if err != nil || stream.Name == "" {
		return err
	}
	next, err := j.c.Logs.Next(ctx, stream, "")
	if err != nil {
		return fmt.Errorf("find the end of stream %s: %w", stream.Name, err)
	}
	f.first, f.lines = next, nil
	return j.copy(ctx, f, stream, t.pod(), container)
}

// flushAge is how old a line gets before it is kept, maxBatch how many wait at most.
const (
	flushAge = 50 * time.Millisecond
	maxBatch = 500
)

// copy reads lines and keeps them in batches, the oldest no older than flushAge.
func (j *jobs) copy(ctx context.Context, f *follow, stream logstore.Stream, pod, container string) error {
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	kept := make(chan error, 1)
	ended := make(chan struct{})
	j.work.Go(func() {
		err := j.keep(reading, f, stream, ended)
		if err != nil {
			cancel()
		}
		kept <- err
	})
	err := j.c.Pods.Logs(reading, pod, container, f.first, func(_ uint64, at time.Time, line string) error {
		f.mu.Lock()
		f.lines = append(f.lines, logstore.Line{At: at, Text: line})
		full := len(f.lines) >= 20*maxBatch
		f.mu.Unlock()
		select {
		case f.more <- struct{}{}:
		default:
		}
		for full && reading.Err() == nil { // a store that is slower than the container
			select {
			case <-reading.Done():
			case <-j.c.Clock.After(flushAge):
			}
			f.mu.Lock()
			full = len(f.lines) >= 20*maxBatch
			f.mu.Unlock()
		}
		return reading.Err()
	})
	close(ended)
	if failed := <-kept; failed != nil {
		return failed
	}
	return err
}

// keep flushes until the output has ended and nothing waits.
func (j *jobs) keep(ctx context.Context, f *follow, stream logstore.Stream, ended <-chan struct{}) error {
	for {
		isEnd := false
		select {
		case <-f.more:
			select {
			case <-j.c.Clock.After(flushAge):
			case <-ended:
			}
		case <-ended:
			isEnd = true
		}
		for {
			f.mu.Lock()
			batch := f.lines[:min(len(f.lines), maxBatch)]
			first := f.first
			f.mu.Unlock()
			if len(batch) == 0 {
				break
			}
			if _, err := j.c.Logs.Append(ctx, stream, first, batch); err != nil {
				return fmt.Errorf("keep lines of %s: %w", stream.Name, err)
			}
			f.mu.Lock()
			f.first += uint64(len(batch))
			f.lines = f.lines[len(batch):]
			f.mu.Unlock()
		}
		if isEnd {
			return nil
		}
	}
}
