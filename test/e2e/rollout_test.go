package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/demo"
)

// TestKilledServerFailsNoRequestOfARollout kills the server at a random moment of each
// of many rollouts, under load: no request fails, no version answers after a newer one,
// each rollout is one deployment that starts as many tasks as are wanted.
func TestKilledServerFailsNoRequestOfARollout(t *testing.T) {
	in := serve(t)
	s := in.site(t)
	load := demo.NewLoad(s.address, s.host, clock.System{})
	sending, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); load.Run(sending) }()
	defer func() { stop(); <-done }()
	begun := time.Now()

	var versions []string
	var takes time.Duration // the last rollout
	roll := func(version string, kill func()) {
		t.Helper()
		at := time.Now()
		if err := s.update(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		kill()
		if err := s.rolled(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		versions = append(versions, version)
		takes = time.Since(at)
	}
	roll("v001", func() {})
	for i, seed := range drawSeeds(t) {
		moment := time.Duration(randomOf(seed).Float64() * float64(takes))
		roll(fmt.Sprintf("v%03d", i+2), func() {
			<-time.After(moment) // a kill waits for nothing
			in.kill()
			in.start()
		})
		if v := load.Verdict(); v.Failed > 0 {
			t.Fatalf("seed %d, killed %v after the rollout's begin: %d requests failed:\n  %s", seed, moment, v.Failed, strings.Join(v.Failures, "\n  "))
		}
		t.Logf("seed %d: killed after %.1f s of %.1f s", seed, moment.Seconds(), takes.Seconds())
	}
	stop()
	<-done
	v := load.Verdict()
	t.Logf("%d requests, %.0f/s, %d streamed answers, %d failed, longest time without an answer %d ms",
		v.Sent, float64(v.Sent)/time.Since(begun).Seconds(), v.Streams, v.Failed, v.Gap.Milliseconds())
	if v.Failed > 0 {
		t.Errorf("%d requests failed:\n  %s", v.Failed, strings.Join(v.Failures, "\n  "))
	}
	for _, version := range versions {
		if v.Versions[version] == 0 {
			t.Errorf("version %s never answered", version)
		}
	}
	s.once(t, 1+len(versions)) // with the service's first deployment
}

// remembered are a service's deployments that can be listed: the last one and thirty before it.
const remembered = 31

// once looks that there was one successful deployment per rollout, and no task beyond those wanted.
func (s *site) once(t *testing.T, rollouts int) {
	t.Helper()
	var all []types.ServiceDeploymentBrief
	in := &ecs.ListServiceDeploymentsInput{Cluster: new(siteName), Service: new(siteName)}
	for {
		page, err := s.in.aws.ECS.ListServiceDeployments(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.ServiceDeployments...)
		if page.NextToken == nil {
			break
		}
		in.NextToken = page.NextToken
	}
	for _, d := range all {
		if d.Status != types.ServiceDeploymentStatusSuccessful {
			t.Errorf("the deployment %s is %s: %s", *d.ServiceDeploymentArn, d.Status, deref(d.StatusReason))
		}
	}
	if len(all) != min(rollouts, remembered) {
		t.Errorf("%d rollouts were %d deployments", rollouts, len(all))
	}
	tasks, err := s.tasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for definition, started := range tasks {
		if len(started) == siteTasks {
			continue
		}
		t.Errorf("%s was started as %d tasks, not %d:", definition, len(started), siteTasks)
		for _, task := range started {
			t.Errorf("  %s made at %s: %s %s", *task.TaskArn, task.CreatedAt.Format(time.TimeOnly), *task.LastStatus, deref(task.StoppedReason))
		}
	}
	if len(tasks) != rollouts {
		t.Errorf("tasks of %d task definitions were started, not %d", len(tasks), rollouts)
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
