// Package docker runs pods on a Docker Engine of this host. A pod is a pause
// container without a network of its own, whose namespace is given an interface
// by compute.Attacher, and the application's containers that join it.
//
// Services use it through compute.Backend. It never sees an AWS service, never
// makes a bridge network, a named volume or a restart policy, and never touches
// an object without the label of its own installation.
package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
)

// Config is what a Backend needs. Installation, Data and Runtime must be given.
type Config struct {
	Installation string // id of the installation, on every label and in every name
	Data         string // data folder: pods' records and volumes lie below it
	Runtime      string // runtime root (/run/penstock/<installation>): namespace files
	Host         string // address of the Engine; "" = DOCKER_HOST or the default socket

	Attacher compute.Attacher // gives a pod its interface; nil = pods have only loopback
	// Pull brings an image that the Engine does not have; nil refuses.
	Pull func(ctx context.Context, image string) error
	// Trust is the PEM bundle that containers which ask for TrustCA trust beyond
	// their image's: Penstock's CA and what the host's owner added to the host's.
	Trust func() []byte
	// Owned tells whether the row that owns a pod still exists. nil = nothing is
	// ever swept.
	Owned func(ctx context.Context, owner string) (bool, error)
	// Ready is how many pause containers are kept started in advance.
	Ready int
	// NoPrivileged refuses privileged containers.
	NoPrivileged bool

	Clock clock.Clock
	Log   *slog.Logger

	// fault is called before every request to the Engine; an error is its answer.
	// Tests set it, to stop at any instant.
	fault func(method, path string) error
}

// Backend implements compute.Backend, compute.Logs and compute.Shell. Run must be
// running for pods to advance (dependencies, essential containers) and for Watch.
type Backend struct {
	cfg    Config
	engine *Engine
	caps   *capabilities

	pods  keyedLocks // one pod is worked on by one goroutine at a time
	ready pool
	hub   hub
	work  settler
	trust trust

	first    sync.Once
	answered chan struct{} // closed when the Engine has answered Run for the first time

	pauseOnce sync.Mutex
	pauseID   string
}

var (
	_ compute.Backend = (*Backend)(nil)
	_ compute.Logs    = (*Backend)(nil)
	_ compute.Shell   = (*Backend)(nil)
)

var installation = regexp.MustCompile(`^[a-z0-9]{1,32}$`)

// New checks cfg and connects. It makes nothing on the Engine.
func New(cfg Config) (*Backend, error) {
	if !installation.MatchString(cfg.Installation) {
		return nil, fmt.Errorf("docker: installation id %q: 1-32 lower-case letters and digits are expected", cfg.Installation)
	}
	if !filepath.IsAbs(cfg.Data) || !filepath.IsAbs(cfg.Runtime) {
		return nil, errors.New("docker: the data folder and the runtime root must be absolute paths")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	e, err := connect(cfg.Host, cfg.fault)
	if err != nil {
		return nil, err
	}
	caps, err := hostCapabilities("/proc/self/status")
	if err != nil {
		return nil, fmt.Errorf("docker: reading this host's capabilities: %w", err)
	}
	b := &Backend{cfg: cfg, engine: e, caps: caps, answered: make(chan struct{})}
	b.ready.given, b.ready.restock = map[string]bool{}, make(chan struct{}, 1)
	b.trust.start(b)
	return b, nil
}

// Engine gives the connection, for set-up and for the image mirror.
func (b *Backend) Engine() *Engine { return b.engine }

func (b *Backend) client() *client.Client { return b.engine.c }
