package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// execOutput bounds what Exec keeps of a command's output.
const execOutput = 1 << 20

// Exec runs a command in a running container. Output beyond a mebibyte is dropped.
func (b *Backend) Exec(ctx context.Context, pod, name string, command []string) (code int, output []byte, err error) {
	defer away(&err)
	full := b.containerName(pod, name)
	made, err := b.client().ExecCreate(ctx, full, client.ExecCreateOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return 0, nil, fmt.Errorf("docker: preparing a command in container %s: %w", full, err)
	}
	conn, err := b.client().ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return 0, nil, fmt.Errorf("docker: running a command in container %s: %w", full, err)
	}
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	defer conn.Close()
	out := &bounded{}
	if _, err := stdcopy.StdCopy(out, out, conn.Reader); err != nil && ctx.Err() == nil {
		return 0, out.Bytes(), fmt.Errorf("docker: reading from a command in container %s: %w", full, err)
	}
	if err := ctx.Err(); err != nil {
		return 0, out.Bytes(), err
	}
	end, err := b.client().ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
	if err != nil {
		return 0, out.Bytes(), fmt.Errorf("docker: reading the exit code of a command in container %s: %w", full, err)
	}
	return end.ExitCode, out.Bytes(), nil
}

// bounded keeps the first execOutput bytes.
type bounded struct{ bytes.Buffer }

func (w *bounded) Write(p []byte) (int, error) {
	keep := p[:min(len(p), execOutput-w.Len())]
	if _, err := w.Buffer.Write(keep); err != nil {
		return 0, err
	}
	return len(p), nil
}

var _ io.Writer = (*bounded)(nil)
