package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/moby/moby/client"

	"github.com/penstock-ci/penstock/internal/compute"
)

// Engine is a connection to a Docker Engine. It is what set-up, doctor and the
// image mirror see of it; they never import the client's own types.
type Engine struct{ c *client.Client }

// Connect opens a connection to the Engine at host ("" = DOCKER_HOST or the
// default socket). Nothing is sent yet.
func Connect(host string) (*Engine, error) { return connect(host, nil) }

func connect(host string, fault func(method, path string) error) (*Engine, error) {
	opts := []client.Opt{client.WithHostFromEnv(), client.WithTLSClientConfigFromEnv()}
	if host != "" {
		opts = []client.Opt{client.WithHost(host)}
	}
	if fault != nil {
		opts = append(opts, client.WithHTTPRequestHook(func(r *http.Request) error {
			return fault(r.Method, r.URL.Path)
		}))
	}
	c, err := client.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("docker: connecting to the Engine: %w", err)
	}
	return &Engine{c: c}, nil
}

// away marks an error that the Engine did not give, but whose lack did.
func away(err *error) {
	_, noAnswer := errors.AsType[*url.Error](*err)
	noAnswer = noAnswer && !errors.Is(*err, context.Canceled) && !errors.Is(*err, context.DeadlineExceeded)
	if (noAnswer || client.IsErrConnectionFailed(*err)) && !compute.IsAway(*err) {
		*err = gone(*err)
	}
}

func gone(cause error) error {
	return &compute.Away{Err: fmt.Errorf("the Docker Engine does not answer: start it (systemctl start docker), or name another with --engine: %w", cause)}
}

// Close ends idle connections.
func (e *Engine) Close() error { return e.c.Close() }

// Ping asks whether the Engine answers, and for its API version.
func (e *Engine) Ping(ctx context.Context) (apiVersion string, err error) {
	defer away(&err)
	p, err := e.c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return "", fmt.Errorf("docker: asking whether the Engine answers: %w", err)
	}
	return p.APIVersion, nil
}

// Facts are what doctor shows of an Engine.
type Facts struct {
	Version, API, StorageDriver, Root string
	CgroupVersion, CgroupDriver       string
	LiveRestore                       bool
	CPUs                              int
	Memory                            int64
}

// Facts asks the Engine about itself.
func (e *Engine) Facts(ctx context.Context) (Facts, error) {
	api, err := e.Ping(ctx)
	if err != nil {
		return Facts{}, err
	}
	r, err := e.c.Info(ctx, client.InfoOptions{})
	if err != nil {
		return Facts{}, fmt.Errorf("docker: asking the Engine about itself: %w", err)
	}
	i := r.Info
	return Facts{
		Version: i.ServerVersion, API: api, StorageDriver: i.Driver, Root: i.DockerRootDir,
		CgroupVersion: i.CgroupVersion, CgroupDriver: i.CgroupDriver, LiveRestore: i.LiveRestoreEnabled,
		CPUs: i.NCPU, Memory: i.MemTotal,
	}, nil
}
