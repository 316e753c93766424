package codebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/docker"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/embed"
	"github.com/penstock-ci/penstock/internal/store"
)

// heldImages brings images as the test says; without a word everything is there under
// its own name.
type heldImages struct {
	bring func(ctx context.Context, c op.Caller, project, image string) (string, error)
}

func (h *heldImages) Build(ctx context.Context, c op.Caller, project, image string) (string, error) {
	if h.bring == nil {
		return image, nil
	}
	return h.bring(ctx, c, project, image)
}

// world is the service with the real engine, store and log store; pods are given.
type world struct {
	*Service
	t    *testing.T
	aws  *dispatchtest.Dispatcher
	logs *logstore.Database
	// deleted are the network interfaces that builds gave back.
	deleted chan string
	images  *heldImages
	stop    func() // ends the server's loops
	front   *Service
}

const testRole = "arn:aws:iam::100000000001:role/build"

func newWorld(t *testing.T, pods Pods, runnerDir string) *world {
	t.Helper()
	return newWorldFor(t, pods, runnerDir, clock.System{}, dispatchtest.New)
}

// newWorldFor is newWorld with another clock and dispatcher.
func newWorldFor(t *testing.T, pods Pods, runnerDir string, clk clock.Clock, dispatcher func(testing.TB, []store.Table, ...op.Handler) *dispatchtest.Dispatcher) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	images := &heldImages{}
	s := New(Deps{
		Images: images, Pods: pods, Clock: clk, Log: log, RunnerDir: runnerDir, CacheDir: t.TempDir(), Secret: []byte("test"), Places: 4, MTU: 1400,
		Ticket:  func(string, string, time.Time) (string, error) { return "/v2/credentials/ticket", nil },
		Curated: "penstock/build:1",
		Trust:   func() string { return testCertificate },
	})
	deleted := make(chan string, 64)
	aws := dispatcher(t, s.Tables(), append(s.Handlers(), neighbours(deleted)...)...)
	lines, err := logstore.Open(t.Context(), logstore.Options{Dir: t.TempDir(), Log: log, Clock: clock.System{}})
	if err != nil {
		t.Fatal(err)
	}
	s.DB, s.AWS, s.Guard, s.Lines = aws.DB, aws, aws, lines
	w := &world{Service: s, t: t, aws: aws, logs: lines, deleted: deleted, images: images, front: s}
	// The handlers reach the service that they were made of: its engine is set now.
	w.run(s)
	t.Cleanup(func() {
		w.stop()
		if err := lines.Shut(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// run starts the loops of a server for s.
func (w *world) run(s *Service) {
	e := engine.New(engine.Deps{DB: w.aws.DB, Stream: eventstream.New(s.Clock), Clock: s.Clock, Log: s.Log})
	e.Register(s.Kinds()...)
	s.Engine = e
	ctx, cancel := context.WithCancel(context.Background())
	loops := []func(context.Context) error{e.Run, s.Run, s.Pull}
	done := make(chan error, len(loops))
	for _, loop := range loops {
		go func() { done <- loop(ctx) }()
	}
	w.stop = func() {
		cancel()
		for range loops {
			<-done
		}
	}
}

// restart is a server that is killed and started again on the same database: a new
// service, a new engine.
func (w *world) restart() {
	w.stop()
	s := New(w.Deps)
	w.run(s)
	w.Service = s
	w.front.Engine = s.Engine // the dispatcher keeps the handlers of the first one
}

// neighbours are the operations of other services that a build calls.
func neighbours(deleted chan<- string) []op.Handler {
	return []op.Handler{
		op.Change(logs.CreateLogStream, nil, func(context.Context, store.Tx, op.Caller, *logs.CreateLogStreamInput) (*logs.CreateLogStreamOutput, error) {
			return &logs.CreateLogStreamOutput{}, nil
		}),
		op.Change(ec2.CreateNetworkInterface, nil, func(_ context.Context, _ store.Tx, _ op.Caller, in *ec2.CreateNetworkInterfaceInput) (*ec2.CreateNetworkInterfaceOutput, error) {
			return &ec2.CreateNetworkInterfaceOutput{NetworkInterface: &ec2.NetworkInterface{NetworkInterfaceId: new("eni-of-" + *in.SubnetId)}}, nil
		}),
		op.Change(ec2.DeleteNetworkInterface, nil, func(_ context.Context, _ store.Tx, _ op.Caller, in *ec2.DeleteNetworkInterfaceInput) (*ec2.DeleteNetworkInterfaceOutput, error) {
			deleted <- *in.NetworkInterfaceId
			return &ec2.DeleteNetworkInterfaceOutput{}, nil
		}),
		op.Read(ec2.DescribeSubnets, nil, func(_ context.Context, _ store.Reader, _ op.Caller, in *ec2.DescribeSubnetsInput) (*ec2.DescribeSubnetsOutput, error) {
			return &ec2.DescribeSubnetsOutput{Subnets: []ec2.Subnet{{SubnetId: new(in.SubnetIds[0]), VpcId: new("vpc-1")}}}, nil
		}),
		op.Read(ec2.DescribeSecurityGroups, nil, func(_ context.Context, _ store.Reader, _ op.Caller, in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
			return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: []ec2.SecurityGroup{{GroupId: new(in.GroupIds[0]), VpcId: new("vpc-1")}}}, nil
		}),
		op.Read(secretsmanager.GetSecretValue, nil, func(_ context.Context, _ store.Reader, _ op.Caller, in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
			if op.Val(in.SecretId) != "db" {
				return nil, secretsmanager.ResourceNotFoundException("Secrets Manager can't find the specified secret.")
			}
			return &secretsmanager.GetSecretValueOutput{SecretString: new(`{"url":"postgres://top:secret@db/x","port":5432}`)}, nil
		}),
	}
}

// project makes a project without source.
func (w *world) project(name, spec string, privileged bool) {
	w.t.Helper()
	_, err := op.Call(w.t.Context(), w.aws, w.aws.Root(), api.CreateProject, &api.CreateProjectInput{
		Name: new(name), ServiceRole: new(testRole), Artifacts: &api.ProjectArtifacts{Type: new("NO_ARTIFACTS")},
		Source: &api.ProjectSource{Type: new("NO_SOURCE"), Buildspec: new(spec)},
		Environment: &api.ProjectEnvironment{
			Type: new("LINUX_CONTAINER"), Image: new("aws/codebuild/standard:7.0"), ComputeType: new("BUILD_GENERAL1_SMALL"), PrivilegedMode: new(privileged),
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) startBuild(name string) api.Build {
	w.t.Helper()
	out, err := op.Call(w.t.Context(), w.aws, w.aws.Root(), api.StartBuild, &api.StartBuildInput{ProjectName: new(name)})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.Build
}

// await returns the build once ok holds of it.
func (w *world) await(id string, ok func(Build) bool) Build {
	w.t.Helper()
	rung, stop := w.aws.DB.Listen("test")
	defer stop()
	for range 2000 {
		b, err := w.current(w.t.Context(), dispatchtest.Scope, id)
		if err != nil {
			w.t.Fatal(err)
		}
		if ok(b) {
			return b
		}
		select {
		case <-rung:
		case <-time.After(20 * time.Millisecond): // the engine rings nothing for a document
		}
	}
	b, _ := w.current(w.t.Context(), dispatchtest.Scope, id)
	w.t.Fatalf("the build stays in %s: %s\n%s", b.Phase, phases(b), w.text(b))
	return Build{}
}

// text is the build's log.
func (w *world) text(b Build) string {
	w.t.Helper()
	var out strings.Builder
	for cursor := ""; ; {
		p, err := w.logs.Read(w.t.Context(), w.stream(b), cursor, 1000)
		if err != nil {
			return err.Error()
		}
		for _, l := range p.Lines {
			out.WriteString(l.Text)
		}
		if len(p.Lines) == 0 {
			return out.String()
		}
		cursor = p.Forward
	}
}

// wire is a veth from the host to a pod: what the network plane does, in small.
type wire struct{ tag string }

func (w wire) AttachPod(_ context.Context, _, pod, netns, _ string) (netip.Addr, error) {
	host := w.tag + pod[len(pod)-6:]
	for _, c := range []string{
		"ip link add " + host + " mtu 1400 type veth peer name " + host + "p mtu 1400",
		"ip link set " + host + "p netns " + netns,
		"ip addr add " + linkLocalHost + "/32 dev " + host, "ip link set " + host + " up",
		"nsenter --net=" + netns + " ip link set " + host + "p name eth0",
		"nsenter --net=" + netns + " ip addr add 169.254.99.2/24 dev eth0",
		"nsenter --net=" + netns + " ip link set eth0 up",
		"nsenter --net=" + netns + " ip route add default dev eth0",
		"ip route replace 169.254.99.2/32 dev " + host,
	} {
		if out, err := exec.Command("sh", "-c", c).CombinedOutput(); err != nil {
			return netip.Addr{}, fmt.Errorf("%s: %s", c, out)
		}
	}
	return netip.MustParseAddr("169.254.99.2"), nil
}

func (w wire) DetachPod(context.Context, string, string) error { return nil } // it goes with the namespace

const linkLocalHost = "169.254.170.2"

// realPods is the docker back end with a wire, and the control address on the host;
// one test at a time has it.
func realPods(t *testing.T) (Pods, string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if out, err := exec.Command("docker", "image", "inspect", "penstock/build:1").CombinedOutput(); err != nil {
		t.Skipf("needs the image penstock/build:1: %s", out)
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "runner")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(bin, embed.Name), "../../../cmd/penstock-runner")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the runner: %s", out)
	}
	if err := os.Symlink(embed.Name, filepath.Join(bin, "runc")); err != nil {
		t.Fatal(err)
	}
	id := "cbt" + ids.Lower(5, "")
	runtime := "/run/penstock-test-" + id
	b, err := docker.New(docker.Config{
		Installation: id, Data: filepath.Join(dir, "data"), Runtime: runtime, Attacher: wire{id[3:]},
		Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		pods, err := b.List(context.Background())
		for _, p := range pods {
			err = errors.Join(err, b.Remove(context.Background(), p.Pod))
		}
		cancel()
		<-done
		if err := errors.Join(err, os.RemoveAll(runtime)); err != nil {
			t.Error(err)
		}
	})
	return b, bin
}

// serveControl listens where builds look for the data plane.
func (w *world) serveControl() *http.Server {
	w.t.Helper()
	if out, err := exec.Command("ip", "addr", "replace", linkLocalHost+"/32", "dev", "lo").CombinedOutput(); err != nil {
		w.t.Fatalf("%s", out)
	}
	w.t.Cleanup(func() { exec.Command("ip", "addr", "del", linkLocalHost+"/32", "dev", "lo").Run() })
	return w.listen()
}

func (w *world) listen() *http.Server {
	l, err := net.Listen("tcp", linkLocalHost+":80")
	if err != nil {
		w.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(ControlPath, w.Control())
	mux.HandleFunc("/v2/credentials/ticket", func(rw http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(rw).Encode(map[string]string{"AccessKeyId": "ASIAXXXXXXXXXXXXXXXX", "SecretAccessKey": "s", "Token": "t"})
	})
	srv := &http.Server{Handler: mux}
	go srv.Serve(l)
	return srv
}

var _ compute.Attacher = wire{}

// testCertificate is a self-signed one that nothing uses: only its text is looked for.
const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBdDCCARmgAwIBAgIUEXAMPLEEXAMPLEEXAMPLEEXAMPLECgYIKoZIzj0EAwIw
-----END CERTIFICATE-----
`

// start starts a build.
func (w *world) start(in *api.StartBuildInput) (*api.Build, error) {
	out, err := op.Call(w.t.Context(), w.aws, w.aws.Root(), api.StartBuild, in)
	if err != nil {
		return nil, err
	}
	return out.Build, nil
}

// again starts one more build, behind whose turn everything else has been looked at.
func (w *world) again(project string) string {
	w.t.Helper()
	return *w.startBuild(project).Id
}

// awaitTurn returns once a build waits for a place: its first effect is done.
func (w *world) awaitTurn(id string) {
	w.t.Helper()
	w.await(id, func(Build) bool {
		held, err := w.take(w.t.Context(), dispatchtest.Scope, id)
		return err == nil && !held
	})
}
