package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/penstock-ci/penstock/examples"
	"github.com/penstock-ci/penstock/internal/admin"
	"github.com/penstock-ci/penstock/internal/clock"
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
	server := &demoServer{exe: exe, folder: folder, engine: cmd.Setup.Engine}
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
	operator := admin.NewClient(in.Data, in.Socket("admin"))
	err = operator.Remove(ctx)
	if errors.Is(err, admin.ErrNoServer) {
		// A server is what knows what there is: it is started once more.
		server := &demoServer{exe: exe, folder: folder}
		if _, err := server.Start(ctx); err != nil {
			return fmt.Errorf("start the demo's server to remove what it made: %w", err)
		}
		err = operator.Remove(ctx)
		if err == nil {
			err = server.wait()
		}
	}
	if err != nil {
		return err
	}
	fmt.Printf("   removed the containers, namespaces and rules of the demo's installation %s\n", in.ID)
	return errors.Join(os.RemoveAll(in.Root()), os.RemoveAll(folder))
}

// demoServer is the demo's penstock serve, a process of its own.
type demoServer struct {
	exe, folder, engine string
	listen              string
	site                netip.AddrPort
	mirrored            bool // the application's base image was given
	process             *exec.Cmd
}

// startTime bounds a start: the first one makes keys and namespaces.
const startTime = time.Minute

// Start runs the server and waits until it answers.
func (d *demoServer) Start(ctx context.Context) (demo.Env, error) {
	if d.listen == "" {
		if err := d.choose(); err != nil {
			return demo.Env{}, err
		}
	}
	if err := os.MkdirAll(d.folder, 0o700); err != nil {
		return demo.Env{}, err
	}
	log, err := os.OpenFile(filepath.Join(d.folder, "serve.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return demo.Env{}, err
	}
	defer log.Close()
	ready, told, err := os.Pipe()
	if err != nil {
		return demo.Env{}, err
	}
	defer ready.Close()
	// The safety poll is an hour: what happens, facts make happen.
	d.process = exec.Command(d.exe, "serve", "--data", d.folder, "--listen", d.listen, "--site", d.site.String(), "--poll", "1h", "--ready-fd", "3")
	d.process.Stdout, d.process.Stderr, d.process.ExtraFiles = log, log, []*os.File{told}
	d.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if d.engine != "" {
		d.process.Env = append(os.Environ(), "DOCKER_HOST="+d.engine)
	}
	err = d.process.Start()
	told.Close()
	if err != nil {
		return demo.Env{}, fmt.Errorf("start the server: %w", err)
	}
	if err := ready.SetReadDeadline(clock.System{}.Now().Add(startTime)); err != nil {
		return demo.Env{}, err
	}
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		return demo.Env{}, fmt.Errorf("the server did not come up (%w): see %s", err, log.Name())
	}
	return d.env(ctx)
}

func (d *demoServer) env(ctx context.Context) (demo.Env, error) {
	in, err := installation.Find(d.folder)
	if err != nil {
		return demo.Env{}, err
	}
	operator := admin.NewClient(in.Data, in.Socket("admin"))
	if !d.mirrored {
		if _, err := operator.MirrorAdd(ctx, baseimage.PythonAlias); err != nil {
			return demo.Env{}, fmt.Errorf("put the application's base image into the mirror: %w", err)
		}
		d.mirrored = true
	}
	e, err := operator.Env(ctx, "", "us-east-1")
	return demo.Env{Endpoint: e.Endpoint, AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey, Region: e.Region, Account: e.Account}, err
}

// choose takes the usual ports, or free ones where another server has them.
func (d *demoServer) choose() error {
	ports := make([]netip.AddrPort, 0, 2)
	for _, usual := range []string{"127.0.0.1:4566", "127.0.0.1:4567"} {
		l, err := net.Listen("tcp", usual)
		if err != nil {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		}
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).AddrPort())
	}
	d.listen, d.site = ports[0].String(), ports[1]
	return nil
}

// Kill is SIGKILL.
func (d *demoServer) Kill() error {
	if err := d.process.Process.Kill(); err != nil {
		return fmt.Errorf("kill the server: %w", err)
	}
	return d.wait()
}

func (d *demoServer) wait() error {
	var killed *exec.ExitError
	if err := d.process.Wait(); err != nil && !errors.As(err, &killed) {
		return err
	}
	return nil
}

// Site is where this host reaches the load balancer.
func (d *demoServer) Site(ctx context.Context, dnsName string) (address, host string, err error) {
	in, err := installation.Find(d.folder)
	if err != nil {
		return "", "", err
	}
	urls, err := admin.NewClient(in.Data, in.Socket("admin")).URL(ctx, dnsName)
	if err != nil {
		return "", "", err
	}
	return urls[0].Address, urls[0].Host, nil
}
