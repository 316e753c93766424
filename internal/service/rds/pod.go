package rds

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/engine"
)

const (
	image         = "penstock/postgres:15"
	containerName = "postgres"
	dataPath      = "/var/lib/postgresql/data"
	defaultPort   = 5432
	// haltGrace is how long a server may take to write its last checkpoint; a killed
	// one recovers from its log.
	haltGrace = 20 * time.Second
)

func (s *Service) folder(i Instance) string { return filepath.Join(s.Data, "rds", i.ResourceID) }

// start asks for the container of an attempt. Those before it are gone first: two
// servers on one folder would ruin it.
func (s *Service) start(ctx context.Context, _ engine.ID, i Instance, f engine.Effect, _ string) (*engine.Event, error) {
	var attempt int
	if err := json.Unmarshal(f.Body, &attempt); err != nil {
		return nil, engine.Permanent(err)
	}
	done, err := s.event(f, evStarted, attempt)
	if err != nil || attempt != i.Attempt || !i.runs() {
		return done, err // overtaken
	}
	if err := s.clear(ctx, i, i.pod(), haltGrace); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.folder(i), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of database %s: %w", i.ID, err)
	}
	p, err := s.spec(i)
	if err != nil {
		return nil, err
	}
	st, err := s.Pods.Ensure(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("start the database's container: %w", err)
	}
	s.Log.Info("database container asked for", "instance", i.ID, "pod", p.Name, "phase", string(st.Phase))
	return done, nil
}

// halt stops the server and removes its container; the folder stays.
func (s *Service) halt(ctx context.Context, _ engine.ID, i Instance, f engine.Effect, _ string) (*engine.Event, error) {
	if err := s.clear(ctx, i, "", haltGrace); err != nil {
		return nil, err
	}
	return s.event(f, evHalted, nil)
}

// clear removes the instance's pods except keep.
func (s *Service) clear(ctx context.Context, i Instance, keep string, grace time.Duration) error {
	pods, err := s.Pods.List(ctx)
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	for _, p := range pods {
		if p.Owner != i.owner() || p.Pod == keep {
			continue
		}
		if p.Phase == compute.Running && grace > 0 {
			if err := s.stopPod(ctx, p.Pod, grace); err != nil {
				return err
			}
		}
		if err := s.Pods.Remove(ctx, p.Pod); err != nil {
			return fmt.Errorf("remove the database's container %s: %w", p.Pod, err)
		}
	}
	return nil
}

// stopPod asks the server to end and waits until it has, at most grace and a little.
func (s *Service) stopPod(ctx context.Context, pod string, grace time.Duration) error {
	if err := s.Pods.Stop(ctx, pod, grace); err != nil {
		return fmt.Errorf("stop the database's container: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, grace+2*time.Second)
	defer cancel()
	err := s.Pods.Watch(ctx, func(st compute.Status) {
		if st.Pod == pod && (st.Phase == compute.Stopped || st.Phase == compute.Lost) {
			cancel()
		}
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("wait for the database's container: %w", err)
	}
	return nil
}

// spec is the container of the present attempt. POSTGRES_PASSWORD is used by the
// first one only, and is a verifier: PostgreSQL takes it in place of the password.
func (s *Service) spec(i Instance) (compute.Pod, error) {
	port := strconv.Itoa(i.Port)
	c := compute.Container{
		Name: containerName, Image: image, Essential: true, StopSignal: "SIGINT", StopTimeout: haltGrace,
		Env: []string{"POSTGRES_USER=" + i.Username, "POSTGRES_PASSWORD=" + i.Verifier, "POSTGRES_DB=" + i.database(), "PGPORT=" + port},
		// Not in /dev/shm, of which a container has 64 MiB.
		Args:   []string{"-c", "port=" + port, "-c", "dynamic_shared_memory_type=sysv"},
		Mounts: []compute.Mount{{HostPath: s.folder(i), Path: dataPath}},
		Health: &compute.Health{
			Command:  []string{"CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-p", port},
			Interval: time.Second, Timeout: 5 * time.Second, StartPeriod: time.Minute, Retries: 5,
		},
	}
	if s.Certificate != nil {
		files, err := s.tlsFiles(i.host())
		if err != nil {
			return compute.Pod{}, err
		}
		c.Files = files
	}
	return compute.Pod{Name: i.pod(), Owner: i.owner(), Interface: i.Interface, Tag: i.ARN(), Containers: []compute.Container{c}}, nil
}

func (s *Service) tlsFiles(host string) ([]compute.File, error) {
	cert, err := s.Certificate(host)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of %s: %w", host, err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, engine.Permanent(errors.Join(errors.New("the certificate's key"), err))
	}
	var chain strings.Builder
	for _, der := range cert.Certificate {
		chain.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return []compute.File{
		{Path: "/etc/penstock/tls/server.crt", Mode: 0o644, Body: []byte(chain.String())},
		{Path: "/etc/penstock/tls/server.key", Mode: 0o600, Body: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})},
	}, nil
}
