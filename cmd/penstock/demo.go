package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-ci/penstock/examples"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/daemon"
	"github.com/penstock-ci/penstock/internal/demo"
	"github.com/penstock-ci/penstock/internal/host/baseimage"
	"github.com/penstock-ci/penstock/internal/installation"
)

type demoCmd struct {
	Down  bool     `help:"Remove everything that the demo made, and nothing else."`
	Setup setupCmd `embed:""`
}

// folderOf is the demo's own folder, beside the data folder of a server in earnest.
func (cmd *demoCmd) folderOf(data string) string {
	return strings.TrimSuffix(filepath.Clean(data), "/") + "-demo"
}

func (cmd *demoCmd) Run(ctx context.Context, c *cli) error {
	folder := cmd.folderOf(c.Data)
	if cmd.Down {
		return demoDown(ctx, folder)
	}
	fmt.Println("── This machine")
	if err := cmd.Setup.run(ctx); err != nil {
		return err
	}
	if err := demoDown(ctx, folder); err != nil {
		return err
	}
	files, err := fs.Sub(examples.CoreApp, "core-app")
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	server := &demoServer{Server: daemonOf(exe, folder)}
	server.Engine = cmd.Setup.Engine
	told := (&demo.Demo{Options: demo.Options{
		Server: server, Data: folder, Files: files, Out: os.Stdout, Clock: clock.System{},
		Helper: fmt.Sprintf("!%q --data %q git-credential", exe, folder),
	}}).Run(ctx)
	fmt.Printf("\nThe demo's server goes on running:\n  eval \"$(%[1]s env --data %[2]s)\"   to use the aws command with it\n  %[1]s status --data %[2]s\n  %[1]s logs /aws/codebuild/core-app --data %[2]s\n  %[1]s url core-app --data %[2]s\n  %[1]s demo --down --data %[3]s   removes it all\nIts log is %[2]s/serve.log\n", exe, folder, c.Data)
	return told
}

// demoDown removes what an earlier run made, whether its server still runs or not.
func demoDown(ctx context.Context, folder string) error {
	in, err := installation.Find(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(folder)
	}
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	server := daemonOf(exe, folder)
	if err := server.Remove(ctx); err != nil {
		return err
	}
	fmt.Printf("   removed the containers, namespaces and rules of the demo's installation %s\n", in.ID)
	return os.RemoveAll(folder)
}

// daemonOf is the demo's server.
func daemonOf(exe, folder string) daemon.Server {
	return daemon.Server{
		Binary: exe, Data: folder, Log: filepath.Join(folder, "serve.log"),
		// The safety poll is an hour: what happens, facts make happen.
		Args: []string{"--poll", "1h"},
	}
}

// demoServer is the server as the demo asks for it.
type demoServer struct {
	daemon.Server
	mirrored bool // the application's base image was given
}

// Start runs the server and waits until it answers.
func (d *demoServer) Start(ctx context.Context) (demo.Env, error) {
	if err := d.Server.Start(); err != nil {
		return demo.Env{}, err
	}
	operator, err := d.Operator()
	if err != nil {
		return demo.Env{}, err
	}
	if !d.mirrored {
		if _, err := operator.MirrorAdd(ctx, baseimage.PythonAlias); err != nil {
			return demo.Env{}, fmt.Errorf("put the application's base image into the mirror: %w", err)
		}
		d.mirrored = true
	}
	e, err := operator.Env(ctx, "", "us-east-1")
	return demo.Env{Endpoint: e.Endpoint, AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey, Region: e.Region, Account: e.Account}, err
}

// Site is where this host reaches the load balancer.
func (d *demoServer) Site(ctx context.Context, dnsName string) (address, host string, err error) {
	operator, err := d.Operator()
	if err != nil {
		return "", "", err
	}
	urls, err := operator.URL(ctx, dnsName)
	if err != nil {
		return "", "", err
	}
	return urls[0].Address, urls[0].Host, nil
}
