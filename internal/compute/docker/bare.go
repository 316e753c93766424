package docker

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/clock"
)

// Bare runs commands by the Engine's API alone, each in a container of its own that
// joins a namespace kept ready, as a pod's does. It is the floor that the bench shows
// beside a build: no build can be quicker on this Engine.
type Bare struct {
	engine       *Engine
	clock        clock.Clock
	installation string
	image, ready string
}

// roleBare is no pod's: what a killed bench leaves goes with its installation.
const roleBare = "bare"

// Bare keeps a namespace ready on image. The containers bear the installation's
// label, so that RemoveAll finds them; Close removes the one that is kept.
func (e *Engine) Bare(ctx context.Context, installation, image string, c clock.Clock) (*Bare, error) {
	b := &Bare{engine: e, clock: c, installation: installation, image: image}
	made, err := e.c.ContainerCreate(ctx, b.options("none", "sleep", "infinity"))
	if err != nil {
		return nil, fmt.Errorf("docker: making a container of image %s: %w (`penstock setup` makes the base images)", image, err)
	}
	b.ready = made.ID
	if _, err := e.c.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		return nil, fmt.Errorf("docker: starting a container of image %s: %w", image, err)
	}
	return b, nil
}

func (b *Bare) options(network string, command ...string) client.ContainerCreateOptions {
	return client.ContainerCreateOptions{
		Config: &container.Config{
			Image: b.image, Entrypoint: command, Cmd: []string{}, AttachStdout: true, AttachStderr: true,
			Labels: map[string]string{LabelInstallation: b.installation, labelRole: roleBare},
		},
		HostConfig: &container.HostConfig{
			NetworkMode: container.NetworkMode(network), LogConfig: container.LogConfig{Type: "json-file", Config: logLimits},
		},
	}
}

// Run tells when the first byte of command's output was there and when its exit
// code was, both counted from before the container was made.
func (b *Bare) Run(ctx context.Context, command ...string) (first, ended time.Duration, err error) {
	begun := b.clock.Now()
	made, err := b.engine.c.ContainerCreate(ctx, b.options("container:"+b.ready, command...))
	if err != nil {
		return 0, 0, fmt.Errorf("docker: making a container of image %s: %w", b.image, err)
	}
	defer func() {
		if e := b.remove(ctx, made.ID); err == nil {
			err = e
		}
	}()
	output, err := b.engine.c.ContainerAttach(ctx, made.ID, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return 0, 0, fmt.Errorf("docker: attaching to %s: %w", made.ID, err)
	}
	defer output.Close()
	exit := b.engine.c.ContainerWait(ctx, made.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := b.engine.c.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		return 0, 0, fmt.Errorf("docker: starting %s: %w", made.ID, err)
	}
	stop := context.AfterFunc(ctx, output.Close)
	defer stop()
	if _, err := output.Reader.ReadByte(); err != nil {
		return 0, 0, fmt.Errorf("docker: %v printed nothing: %w", command, err)
	}
	first = b.clock.Now().Sub(begun)
	if _, err := io.Copy(io.Discard, output.Reader); err != nil {
		return 0, 0, fmt.Errorf("docker: reading what %v prints: %w", command, err)
	}
	select {
	case err := <-exit.Error:
		return 0, 0, fmt.Errorf("docker: waiting for %s: %w", made.ID, err)
	case end := <-exit.Result:
		if end.StatusCode != 0 {
			return 0, 0, fmt.Errorf("docker: %v exited with code %d", command, end.StatusCode)
		}
	}
	return first, b.clock.Now().Sub(begun), nil
}

// Close removes the container that keeps the namespace.
func (b *Bare) Close(ctx context.Context) error { return b.remove(ctx, b.ready) }

// remove also works when ctx has ended.
func (b *Bare) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if _, err := b.engine.c.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true}); err != nil {
		return fmt.Errorf("docker: removing %s: %w", id, err)
	}
	return nil
}
