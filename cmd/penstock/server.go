package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/authority"
	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/installation"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/wire"
)

// server is the control plane: the foundations that every service borrows from,
// and what the services add to them.
type server struct {
	cmd   *serveCmd
	in    installation.Installation
	clock clock.Clock
	log   *slog.Logger

	ca    *authority.CA
	trust []byte // PEM: our authority, and what the host's owner added

	db       *store.SQL
	keys     *identity.Keyring
	identity *identity.Authority
	dispatch *dispatch.Dispatcher
	stream   *eventstream.Log
	engine   *engine.Runner
	disk     *blob.Disk
	blobs    *blob.Keeper
	lines    *logstore.Database

	host *hostParts

	tables []store.Table
	mounts []wire.Mount
	opens  []func(context.Context) error // once, after the migration
	loops  []loop
	owners []owner // of pods

	rest     func() // ends the loops and waits for them
	listener net.Listener
	endpoint string
	ended    chan struct{} // closed when the operator removes the installation
	closers  []func() error
}

// models are the services whose operations are known; those without a handler are
// refused by name.
func models() []*model.Service {
	return []*model.Service{
		codebuild.API, codecommit.API, codepipeline.API, ec2.API, ecr.API, ecs.API, elbv2.API, events.API,
		iam.API, logs.API, rds.API, s3.API, secretsmanager.API, ssm.API, sts.API,
	}
}

// open makes the server ready to run.
func open(ctx context.Context, cmd *serveCmd, data string, log *slog.Logger) (s *server, err error) {
	s = &server{cmd: cmd, clock: clock.System{}, log: log, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.in, err = installation.Open(data); err != nil {
		return s, err
	}
	for _, step := range []func(context.Context) error{
		s.openTrust, s.openStore, s.listen, s.openIdentity, s.openHost, s.openServices, s.migrate,
	} {
		if err := step(ctx); err != nil {
			return s, err
		}
	}
	for _, f := range s.opens {
		if err := f(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *server) openTrust(context.Context) (err error) {
	if s.ca, err = authority.Open(s.in.Path("authority"), s.clock); err != nil {
		return err
	}
	additional, err := authority.HostAdditional()
	if err != nil {
		return err
	}
	s.trust = append(append([]byte{}, s.ca.Bundle()...), additional...)
	return nil
}

func (s *server) openStore(ctx context.Context) (err error) {
	if s.db, err = store.Open(ctx, store.Options{Dir: s.in.Data, DSN: s.cmd.Database, Log: s.log, Clock: s.clock}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.db.Close)
	if s.disk, err = blob.OpenDisk(s.in.Path("blobs")); err != nil {
		return err
	}
	s.blobs = blob.NewKeeper(s.disk, s.db, s.clock)
	s.loops = append(s.loops, loop{"blob collection", daily(s.clock, func(ctx context.Context) error {
		_, err := s.blobs.Collect(ctx)
		return err
	})})
	if s.lines, err = logstore.Open(ctx, logstore.Options{Dir: s.in.Path("logs"), Log: s.log, Clock: s.clock}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.lines.Shut)
	s.stream = eventstream.New(s.clock)
	s.engine = engine.New(engine.Deps{DB: s.db, Stream: s.stream, Clock: s.clock, Log: s.log})
	s.loops = append(s.loops, loop{"engine", s.engine.Run})
	return nil
}

func (s *server) openIdentity(context.Context) (err error) {
	if s.keys, err = identity.OpenKeyring(s.in.Path("keyring.json")); err != nil {
		return err
	}
	records := identity.NewRecords()
	s.tables = append(s.tables, records.Tables()...)
	s.identity = identity.New(identity.Deps{DB: s.db, Records: records, Keys: s.keys, Clock: s.clock, Log: s.log})
	s.dispatch, err = dispatch.New(dispatch.Deps{DB: s.db, Policies: s.identity, Receipts: store.Receipts{}, Clock: s.clock, Log: s.log})
	if err != nil {
		return err
	}
	s.opens = append(s.opens, func(ctx context.Context) error {
		return s.identity.EnsureAccount(ctx, identity.DefaultAccount, "default")
	})
	return s.openIAM(records)
}

func (s *server) migrate(ctx context.Context) error {
	if err := s.db.Migrate(ctx, s.tables...); err != nil {
		return fmt.Errorf("bring the database up to this release: %w", err)
	}
	return nil
}

// front is the AWS API.
func (s *server) front() *wire.Server {
	return wire.New(wire.Config{
		Services: models(), Credentials: s.identity, Dispatch: s.dispatch, Clock: s.clock, Log: s.log,
		Mounts: s.mounts, Certificates: s.ca.Certificate, Region: "us-east-1", NoAuth: s.root(identity.DefaultAccount),
	})
}

func (s *server) close() (err error) {
	for i := len(s.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, s.closers[i]())
	}
	return err
}

// listenUnix opens a socket for this user only, in place of one that an ended server left.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for the data plane: %w", err)
	}
	return l, os.Chmod(path, 0o600)
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
