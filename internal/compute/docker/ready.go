package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/ids"
)

// resolver answers names in every pod; the network plane puts it on each
// namespace's loopback.
var resolver = netip.MustParseAddr("169.254.169.253")

// genericHostname is that of pods that do not ask for one.
const genericHostname = "penstock"

// pool is the names of pause containers that run and belong to no pod yet.
type pool struct {
	mu      sync.Mutex
	names   []string
	given   map[string]bool // taken, and listed under their ready name since
	restock chan struct{}   // one place: somebody took one
	filling sync.Mutex      // one at a time counts and makes
}

func (p *pool) take() (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.names) == 0 {
		return "", false
	}
	name := p.names[len(p.names)-1]
	p.names = p.names[:len(p.names)-1]
	p.given[name] = true
	p.wake()
	return name, true
}

func (p *pool) wake() {
	select {
	case p.restock <- struct{}{}:
	default:
	}
}

// count brings the pool to what the Engine lists, at most keep, and returns how many
// there are and which others may go. One that was given counts as neither: it is
// about to get its pod's name, and the Engine would let a second pod rename it again.
func (p *pool) count(running, dead []string, keep int) (have int, surplus []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	given := map[string]bool{}
	p.names = nil
	for _, name := range running {
		switch {
		case p.given[name]:
			given[name] = true
		case len(p.names) < keep:
			p.names = append(p.names, name)
		default:
			surplus = append(surplus, name)
		}
	}
	p.given = given
	return len(p.names), append(surplus, dead...)
}

func (p *pool) add(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names = append(p.names, name)
}

// pause finds, claims or makes the running pause container of a pod.
func (b *Backend) pause(ctx context.Context, p compute.Pod) (container.InspectResponse, error) {
	name := b.pauseName(p.Name)
	have, found, err := b.inspect(ctx, name)
	if err != nil {
		return have, err
	}
	if found && have.State.Running {
		return have, nil
	}
	if found {
		if err := b.removeContainer(ctx, name); err != nil {
			return have, err
		}
	}
	if p.Hostname == "" {
		if have, ok := b.claim(ctx, name); ok {
			return have, nil
		}
	}
	if err := b.makePause(ctx, name, p.Hostname); err != nil {
		return have, err
	}
	have, found, err = b.inspect(ctx, name)
	if err == nil && (!found || !have.State.Running) {
		err = fmt.Errorf("docker: the pause container of pod %s ended at once", p.Name)
	}
	return have, err
}

// claim renames a ready pause container. It is renamed by its name, not its id: one
// that has another name by now is not taken. Any failure only means that the pod
// starts cold.
func (b *Backend) claim(ctx context.Context, name string) (container.InspectResponse, bool) {
	for {
		ready, ok := b.ready.take()
		if !ok {
			return container.InspectResponse{}, false
		}
		if _, err := b.client().ContainerRename(ctx, ready, client.ContainerRenameOptions{NewName: name}); err != nil {
			if errdefs.IsNotFound(err) {
				continue
			}
			return container.InspectResponse{}, false
		}
		have, found, err := b.inspect(ctx, name)
		if err == nil && found && have.State.Running {
			return have, true
		}
		if err != nil || b.removeContainer(ctx, name) != nil {
			return container.InspectResponse{}, false
		}
	}
}

func (b *Backend) makePause(ctx context.Context, name, hostname string) error {
	image, err := b.pauseImage(ctx)
	if err != nil {
		return err
	}
	if hostname == "" {
		hostname = genericHostname
	}
	o := client.ContainerCreateOptions{
		Name: name,
		Config: &container.Config{
			Image: image, Hostname: hostname, StopSignal: "SIGKILL",
			Labels: map[string]string{LabelInstallation: b.cfg.Installation, labelRole: rolePause},
		},
		HostConfig: &container.HostConfig{
			NetworkMode: "none",
			DNS:         []netip.Addr{resolver},
			LogConfig:   container.LogConfig{Type: "none"},
			CapDrop:     []string{"ALL"},
			SecurityOpt: []string{"no-new-privileges"},
			Resources:   container.Resources{Memory: 8 << 20, CPUShares: 2},
		},
	}
	_, err = b.client().ContainerCreate(ctx, o)
	if errdefs.IsNotFound(err) { // the image was pruned since it was found
		b.forgetPause()
		if _, err = b.pauseImage(ctx); err == nil {
			_, err = b.client().ContainerCreate(ctx, o)
		}
	}
	if errdefs.IsConflict(err) { // it was not there a moment ago
		return busyError{fmt.Errorf("docker: making pause container %s: %w", name, err)}
	}
	if err != nil {
		return fmt.Errorf("docker: making pause container %s: %w", name, err)
	}
	if _, err := b.client().ContainerStart(ctx, name, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("docker: starting pause container %s: %w", name, err)
	}
	return nil
}

func (b *Backend) forgetPause() {
	b.pauseOnce.Lock()
	defer b.pauseOnce.Unlock()
	b.pauseID = ""
}

// stock finds the ready pause containers and makes those that lack; dead and
// superfluous ones are removed.
func (b *Backend) stock(ctx context.Context) error {
	b.ready.filling.Lock()
	defer b.ready.filling.Unlock()
	found, err := b.list(ctx, client.Filters{}.Add("label", labelRole+"="+rolePause))
	if err != nil {
		return err
	}
	var running, dead []string
	for _, c := range found {
		name := strings.TrimPrefix(c.Names[0], "/")
		switch {
		case !strings.HasSuffix(name, ".ready"):
		case c.State == container.StateRunning:
			running = append(running, name)
		default:
			dead = append(dead, name)
		}
	}
	have, surplus := b.ready.count(running, dead, b.cfg.Ready)
	var failed error
	for _, name := range surplus {
		failed = errors.Join(failed, b.removeContainer(ctx, name))
	}
	for n := have; n < b.cfg.Ready && ctx.Err() == nil; n++ {
		if err := b.makeReady(ctx); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// makeTime bounds the making of one container by an Engine that is at a loss.
const makeTime = 30 * time.Second

// makeReady adds a container to the pool. It is not broken off when ctx ends: the
// Engine would go on making it, and it would come up behind RemoveAll.
func (b *Backend) makeReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeTime)
	defer cancel()
	name := b.readyName(ids.Hex(12, ""))
	if err := b.makePause(ctx, name, ""); err != nil {
		return err
	}
	b.ready.add(name)
	return nil
}

// nameHost lets the pod's own host name resolve without a resolver. The file is
// the Engine's, shared by all containers of the pod, so it is written in place.
func nameHost(pause container.InspectResponse, address netip.Addr) error {
	if pause.HostsPath == "" || !address.IsValid() {
		return nil
	}
	line := address.String() + "\t" + pause.Config.Hostname + "\n"
	body, err := os.ReadFile(pause.HostsPath)
	if errors.Is(err, os.ErrNotExist) {
		return nil // an Engine on another host: the resolver alone answers
	}
	if err != nil {
		return fmt.Errorf("docker: reading the pod's hosts file: %w", err)
	}
	if strings.Contains(string(body), line) {
		return nil
	}
	f, err := os.OpenFile(pause.HostsPath, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("docker: opening the pod's hosts file: %w", err)
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}
