package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"golang.org/x/sys/unix"

	"github.com/penstock-ci/penstock/internal/host/baseimage"
)

// TestMachineFaults does to a machine what happens to machines, one fault after the
// other, while it runs a shop: a PostgreSQL, and a service of two tasks behind a load
// balancer. Each fault is over when all is steady again by itself: the database
// on its address with its row, two tasks, the site.
func TestMachineFaults(t *testing.T) {
	binary(t)
	docker := startDockerd(t)
	docker.load(t, baseimage.Postgres, baseimage.PythonAlias, baseimage.Debian)
	s := &shop{installation: serve(t), docker: docker}
	t.Cleanup(func() {
		if docker.process == nil { // a fault ended half-way: what there is cannot be removed without it
			docker.start(t)
		}
	})
	s.open(t)
	for _, fault := range []struct {
		name   string
		befall func(*testing.T)
	}{
		{"a task's container is killed", s.applicationKilled},
		{"a task's pause container is killed", s.pauseKilled},
		{"the database's container is killed", s.databaseKilled},
		{"the Engine is stopped and started again", func(t *testing.T) { s.engineReturns(t, docker.stop) }},
		{"the Engine is killed and kills its containers when it returns", func(t *testing.T) { s.engineReturns(t, docker.kill) }},
		{"the Engine is killed and takes its containers up again", s.engineRestored},
		{"the Engine is away when the server starts", s.engineAway},
		{"docker system prune", s.pruned},
		{"the machine is rebooted", s.rebooted},
	} {
		if !t.Run(fault.name, func(t *testing.T) {
			fault.befall(t)
			s.steady(t)
		}) {
			s.tell(t)
			return
		}
	}
}

// killOne kills a container of the first pod of an owner, and waits until the pod is no more.
func (s *shop) killOne(t *testing.T, owner, container string) {
	t.Helper()
	pod := s.pods(t, owner)[0]
	if out, err := exec.Command("docker", "kill", "penstock-"+s.id+"-"+pod+"."+container).CombinedOutput(); err != nil {
		t.Fatalf("docker kill: %v: %s", err, out)
	}
	s.replaced(t, pod)
}

// replaced waits until none of the pods is there.
func (s *shop) replaced(t *testing.T, pods ...string) {
	t.Helper()
	err := until(t.Context(), "the end of pods "+strings.Join(pods, ", "), func() (bool, error) {
		return !slices.ContainsFunc(s.pods(t, aTask, aDatabase), func(p string) bool { return slices.Contains(pods, p) }), nil
	})
	if err != nil {
		s.tell(t)
		t.Fatal(err)
	}
}

func (s *shop) applicationKilled(t *testing.T) { s.killOne(t, aTask, "web") }
func (s *shop) pauseKilled(t *testing.T)       { s.killOne(t, aTask, ".pause") }
func (s *shop) databaseKilled(t *testing.T)    { s.killOne(t, aDatabase, "postgres") }

// engineReturns without its containers: tasks and database are replaced, and a build that
// ran ends as a fault that says why.
func (s *shop) engineReturns(t *testing.T, end func(*testing.T)) {
	build := s.build(t, "broken-off", "sleep 600")
	s.inPhase(t, build, "BUILD")
	pods := s.pods(t, aTask, aDatabase)
	end(t)
	s.docker.start(t)
	b := s.ended(t, build)
	if why := reasons(b); b.BuildStatus != types.StatusTypeFault || !strings.Contains(why, "found dead") {
		t.Errorf("the build ended as %s and says %q", b.BuildStatus, why)
	}
	s.replaced(t, pods...)
}

// engineRestored: nothing that ran is touched, and a build goes on to its end.
func (s *shop) engineRestored(t *testing.T) {
	build := s.build(t, "restored", "sleep 5")
	s.inPhase(t, build, "BUILD")
	before := s.pods(t, aTask, aDatabase)
	s.docker.kill(t)
	s.docker.start(t, "--live-restore")
	s.succeeds(t, build)
	if after := s.pods(t, aTask, aDatabase); !slices.Equal(before, after) {
		t.Errorf("before %v ran, after it %v", before, after)
	}
}

// engineAway: the API answers, status says what to do, and builds and tasks that are asked
// for meanwhile wait for it.
func (s *shop) engineAway(t *testing.T) {
	s.kill()
	s.docker.kill(t)
	s.start()
	operator, err := s.server.Operator()
	if err != nil {
		t.Fatal(err)
	}
	status, err := operator.Status(t.Context())
	if err != nil || !strings.Contains(strings.Join(status.Alarms, "\n"), "Docker Engine") {
		t.Errorf("status says %q, %v", status.Alarms, err)
	}
	if err := operator.Remove(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing is removed") {
		t.Errorf("the installation was removed without the Engine: %v", err)
	}
	build := s.build(t, "away", "true")
	task, err := s.aws.ECS.RunTask(t.Context(), &ecs.RunTaskInput{
		Cluster: new(shopName), TaskDefinition: new(shopName), LaunchType: ecstypes.LaunchTypeFargate, NetworkConfiguration: s.network,
		Overrides: &ecstypes.TaskOverride{ContainerOverrides: []ecstypes.ContainerOverride{{Name: new("web"), Command: []string{"true"}}}},
	})
	if err != nil || len(task.Tasks) != 1 {
		t.Fatalf("run a task: %v, %v", task, err)
	}
	s.waits(t, build)
	s.docker.start(t, "--live-restore")
	s.succeeds(t, build)
	s.exits(t, *task.Tasks[0].TaskArn)
}

// waits until the build has tried to begin, and would have failed where it does not wait.
func (s *shop) waits(t *testing.T, build string) {
	t.Helper()
	s.inPhase(t, build, "PROVISIONING")
	err := until(t.Context(), "the third try of the build's container", func() (bool, error) {
		log, err := os.ReadFile(s.server.Log)
		return strings.Contains(string(log), "effect=provision attempt=3"), err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// exits waits for the task's end, which must be a good one.
func (s *shop) exits(t *testing.T, task string) {
	t.Helper()
	err := until(t.Context(), "the task's end", func() (bool, error) {
		found, err := s.aws.ECS.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: new(shopName), Tasks: []string{task}})
		if err != nil || *found.Tasks[0].LastStatus != "STOPPED" {
			return false, err
		}
		for _, c := range found.Tasks[0].Containers {
			if aws.ToInt32(c.ExitCode) != 0 || c.ExitCode == nil {
				return true, fmt.Errorf("it ended as %s: %s", *c.Name, aws.ToString(found.Tasks[0].StoppedReason))
			}
		}
		return true, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// pruned: what runs is not touched, and the next build has its image and its pause
// container made again.
func (s *shop) pruned(t *testing.T) {
	before := s.pods(t, aTask, aDatabase)
	if volumes, err := exec.Command("docker", "volume", "ls", "--quiet").Output(); err != nil || len(volumes) > 0 {
		t.Errorf("data lies in volumes of the Engine: %s, %v", volumes, err)
	}
	out, err := exec.Command("docker", "system", "prune", "--all", "--volumes", "--force").CombinedOutput()
	if err != nil || !strings.Contains(string(out), baseimage.Debian) {
		t.Fatalf("prune (%v) took no image: %s", err, out)
	}
	s.succeeds(t, s.build(t, "pruned", "true"))
	// What nobody can bring back is told with the next step.
	for image, next := range map[string]string{"aws/codebuild/standard:7.0": "penstock setup", "registry.invalid/nobody/has:1": "penstock mirror add"} {
		b := s.ended(t, s.buildIn(t, strings.NewReplacer("/", "-", ":", "-", ".", "-").Replace(image), image, "true"))
		if why := reasons(b); b.BuildStatus != types.StatusTypeFailed || !strings.Contains(why, next) {
			t.Errorf("without image %s the build ended as %s and says %q, not %q", image, b.BuildStatus, why, next)
		}
	}
	if after := s.pods(t, aTask, aDatabase); !slices.Equal(before, after) {
		t.Errorf("before %v ran, after it %v", before, after)
	}
}

// rebooted: no process, no namespace and nothing in /run is left, only what is on disk.
func (s *shop) rebooted(t *testing.T) {
	operator, err := s.server.Operator()
	if err != nil {
		t.Fatal(err)
	}
	status, err := operator.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.kill()
	if err := unix.Kill(status.DataPlanePID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.docker.powerOff(t)
	run := filepath.Join("/run/penstock", s.id)
	points := below(t, run)
	slices.Reverse(points)
	for _, p := range points {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil {
			t.Fatalf("unmount %s: %v", p, err)
		}
	}
	if err := os.RemoveAll(run); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("nft", "delete", "table", "ip", "penstock-"+s.id).CombinedOutput(); err != nil {
		t.Fatalf("delete the installation's rules: %v: %s", err, out)
	}
	err = until(t.Context(), "the end of the installation's links", func() (bool, error) {
		_, err := net.InterfaceByName("pst-" + s.id)
		return err != nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.docker.start(t)
	s.start()
}
