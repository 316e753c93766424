package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/bench"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/docker"
	"github.com/penstock-ci/penstock/internal/daemon"
	"github.com/penstock-ci/penstock/internal/demo"
	"github.com/penstock-ci/penstock/internal/host/baseimage"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/installation"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

type benchCmd struct {
	output
	Only   []string `help:"Rows to take, by NAME; all if none is given." placeholder:"NAME"`
	Places int      `help:"Builds that run at once on the bench's server; 0 is twice the cores."`
	Engine string   `help:"Address of the Docker Engine." env:"DOCKER_HOST" placeholder:"URL"`
}

// removalTime is above the longest removal, with a thousand builds waiting.
const removalTime = 2 * time.Minute

// Run measures a server of the bench's own, on the disk of the data folder, and removes it.
func (cmd *benchCmd) Run(ctx context.Context, c *cli) (err error) {
	if err := bench.Check(cmd.Only); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	folder := strings.TrimSuffix(filepath.Clean(c.Data), "/") + "-bench"
	b := &benchRun{cmd: cmd, folder: folder, server: benchServer{daemon.Server{
		Binary: exe, Data: filepath.Join(folder, "server"), Log: filepath.Join(folder, "serve.log"), Engine: cmd.Engine,
		Args: []string{"--places", strconv.Itoa(cmd.Places)},
	}}}
	if err := b.remove(ctx); err != nil { // what a killed run left
		return err
	}
	defer func() { err = errors.Join(err, b.remove(ctx)) }()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	before := loadAverage()
	rows, failed := (&bench.Bench{Options: bench.Options{
		Server: &b.server, Container: b.container, Inside: b.inside,
		Program: exe, Folder: folder, Clock: clock.System{}, Progress: os.Stderr,
	}}).Run(ctx, cmd.Only)
	if len(rows) == 0 {
		return failed
	}
	machine := fmt.Sprintf("%d cores, load average %s before and %s after, data in %s", runtime.NumCPU(), before, loadAverage(), folder)
	if cmd.Output == "json" {
		fmt.Fprintln(os.Stderr, machine)
	}
	var shown error
	err = cmd.print(rows, func() {
		fmt.Println(machine)
		shown = bench.Table(os.Stdout, rows)
	})
	return errors.Join(failed, err, shown)
}

// loadAverage tells what else the machine does: figures of a busy one say little.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// benchRun is one run with what it makes on this machine.
type benchRun struct {
	cmd    *benchCmd
	folder string
	server benchServer
	opened int // foundations in this process
}

// remove leaves nothing behind, also when ctx has ended.
func (b *benchRun) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime)
	defer cancel()
	if err := b.server.Remove(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the bench's server: %w", err)
	}
	return os.RemoveAll(b.folder)
}

// container is the Engine's floor, on the image that the curated name stands for.
func (b *benchRun) container(ctx context.Context) (bench.Container, error) {
	in, err := installation.Find(b.server.Data)
	if err != nil {
		return nil, err
	}
	engine, err := docker.Connect(b.cmd.Engine)
	if err != nil {
		return nil, err
	}
	return engine.Bare(ctx, in.ID, baseimage.Build, clock.System{})
}

// inside is the part of the server that has no host below it: store, identity, the
// dispatcher, and IAM and STS behind it.
func (b *benchRun) inside(ctx context.Context, tables ...store.Table) (*bench.Inside, error) {
	b.opened++
	s := &server{cmd: &serveCmd{}, clock: clock.System{}, log: slog.New(slog.DiscardHandler), tables: tables}
	s.in = installation.Installation{Data: filepath.Join(b.folder, "inside-"+strconv.Itoa(b.opened))}
	if err := os.Mkdir(s.in.Data, 0o700); err != nil {
		return nil, err
	}
	steps := []func(context.Context) error{s.openStore, s.openIdentity, s.migrate, func(ctx context.Context) error {
		return s.identity.EnsureAccount(ctx, identity.DefaultAccount, "default")
	}}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	root := op.Caller{Scope: store.Scope{Account: identity.DefaultAccount, Region: "us-east-1"}, ARN: "arn:aws:iam::" + identity.DefaultAccount + ":root", PrincipalID: identity.DefaultAccount}
	return &bench.Inside{DB: s.db, Calls: s.dispatch, Root: root, Close: s.close}, nil
}

// benchServer is the server as the bench asks for it.
type benchServer struct{ daemon.Server }

// Start is bench.Server.
func (b *benchServer) Start(ctx context.Context) (demo.Env, error) {
	if err := b.Server.Start(); err != nil {
		return demo.Env{}, err
	}
	operator, err := b.Operator()
	if err != nil {
		return demo.Env{}, err
	}
	e, err := operator.Env(ctx, "", "us-east-1")
	return demo.Env{Endpoint: e.Endpoint, AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey, Region: e.Region, Account: e.Account}, err
}

// Processes is bench.Server.
func (b *benchServer) Processes(ctx context.Context) ([]int, error) {
	operator, err := b.Operator()
	if err != nil {
		return nil, err
	}
	s, err := operator.Status(ctx)
	if err != nil {
		return nil, err
	}
	if s.DataPlanePID == 0 {
		return nil, fmt.Errorf("the data plane %s", s.DataPlane)
	}
	return []int{s.PID, s.DataPlanePID}, nil
}
