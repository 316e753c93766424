package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/penstock-ci/penstock/internal/clock"
)

// Server is the demo's own penstock serve.
type Server interface {
	// Start returns once it answers.
	Start(ctx context.Context) (Env, error)
	// Kill sends SIGKILL and waits for the end.
	Kill() error
	// Site is where this host reaches the load balancer of that DNS name: address to dial and Host.
	Site(ctx context.Context, dnsName string) (address, host string, err error)
}

// Options are what the command gives.
type Options struct {
	Server Server
	Data   string // the demo's folder
	Helper string // git's credential helper for the server
	Files  fs.FS  // examples/core-app
	Out    io.Writer
	Clock  clock.Clock
}

// deliveryTime is above the slowest delivery on two busy cores.
const deliveryTime = 6 * time.Minute

// Demo is one run of the story.
type Demo struct {
	Options
	stack      *Stack
	repository *Repository
	watch      *watcher
	site, host string
	rows       []row
}

// row is a line of the summary.
type row struct {
	what, result string
	took         time.Duration
}

// Run tells the whole story; nil means that all of it was observed.
func (d *Demo) Run(ctx context.Context) error {
	begun := d.Clock.Now()
	for _, part := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"The stack", d.makeStack},
		{"First commit: the site appears", d.first},
		{"Second commit, under load: a migration and a changed page; the server is killed in the middle", d.second},
		{"Third commit, under load: no task becomes healthy, so the circuit breaker rolls back", d.third},
	} {
		fmt.Fprintf(d.Out, "\n── %s\n", part.title)
		at := d.Clock.Now()
		err := part.do(ctx)
		took := d.Clock.Now().Sub(at)
		if err != nil {
			d.rows = append(d.rows, row{part.title, "FAILED", took})
			d.summary(begun)
			return fmt.Errorf("%s: %w", part.title, err)
		}
		d.rows = append(d.rows, row{part.title, "as it must", took})
	}
	d.summary(begun)
	return nil
}

func (d *Demo) makeStack(ctx context.Context) error {
	env, err := d.Server.Start(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "   penstock serve answers at %s (account %s, %s)\n", env.Endpoint, env.Account, env.Region)
	aws, err := Connect(ctx, env)
	if err != nil {
		return err
	}
	at := d.Clock.Now()
	d.stack, err = NewStack(ctx, aws, env, func(part string) {
		now := d.Clock.Now()
		fmt.Fprintf(d.Out, "   %-100s %5.1f s\n", part, now.Sub(at).Seconds())
		at = now
	})
	if err != nil {
		return err
	}
	d.watch = &watcher{stack: d.stack, out: d.Out, clock: d.Clock}
	d.repository = NewRepository(filepath.Join(d.Data, name), env, d.Helper, d.Files)
	if d.site, d.host, err = d.Server.Site(ctx, d.stack.balancerDNS); err != nil {
		return err
	}
	return d.repository.Start(ctx)
}

func (d *Demo) first(ctx context.Context) error {
	if err := d.deliver(ctx, "The application", types.PipelineExecutionStatusSucceeded, nil); err != nil {
		return err
	}
	if err := d.stack.scale(ctx, 2); err != nil {
		return err
	}
	if err := d.stable(ctx); err != nil {
		return err
	}
	if err := d.healthy(ctx); err != nil {
		return err
	}
	version, c, err := NewLoad(d.site, d.host, d.Clock).request(nil, "GET", false)
	c.close()
	if err != nil {
		return fmt.Errorf("ask the site at %s: %w", d.site, err)
	}
	if version != "1" {
		return fmt.Errorf("the site answers with version %q, not 1", version)
	}
	fmt.Fprintf(d.Out, "   the site answers at http://%s/ with version %s\n", d.host, version)
	return nil
}

func (d *Demo) second(ctx context.Context) error {
	if err := d.repository.change("second"); err != nil {
		return err
	}
	killed := make(chan error, 1)
	started := false
	verdict, err := d.underLoad(ctx, func(ctx context.Context) error {
		err := d.deliver(ctx, "A greeting in another table", types.PipelineExecutionStatusSucceeded, func(action string, status types.ActionExecutionStatus) {
			if action == "ECS" && status == types.ActionExecutionStatusInProgress && !started {
				started = true
				go func() { killed <- d.killInTheMiddle(ctx) }()
			}
		})
		if !started {
			return errors.Join(err, errors.New("the deploy action did not start, so the server was not killed"))
		}
		if killErr := <-killed; killErr != nil {
			return errors.Join(err, killErr)
		}
		if err != nil {
			return err
		}
		return d.stable(ctx)
	})
	if err != nil {
		return err
	}
	if verdict.Versions["1"] == 0 || verdict.Versions["2"] == 0 {
		return fmt.Errorf("the load did not see both versions: %v", verdict.Versions)
	}
	return nil
}

// killInTheMiddle waits until both versions' tasks run, kills the server and starts it again.
func (d *Demo) killInTheMiddle(ctx context.Context) error {
	for {
		service, err := d.service(ctx)
		if err != nil {
			return err
		}
		if len(service.Deployments) > 1 && service.Deployments[0].RunningCount+service.Deployments[0].PendingCount > 0 {
			break
		}
		if err := d.watch.pause(ctx); err != nil {
			return fmt.Errorf("wait for the middle of the rollout: %w", err)
		}
	}
	if err := d.Server.Kill(); err != nil {
		return err
	}
	fmt.Fprintln(d.Out, "   ✂ the server got SIGKILL in the middle of the rollout")
	at := d.Clock.Now()
	if _, err := d.Server.Start(ctx); err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "   ✂ and answers again after %.1f s\n", d.Clock.Now().Sub(at).Seconds())
	return nil
}

func (d *Demo) third(ctx context.Context) error {
	if err := d.repository.change("third"); err != nil {
		return err
	}
	verdict, err := d.underLoad(ctx, func(ctx context.Context) error {
		if err := d.deliver(ctx, "A health check that cannot pass", types.PipelineExecutionStatusFailed, nil); err != nil {
			return err
		}
		return d.stable(ctx)
	})
	if err != nil {
		return err
	}
	if len(verdict.Versions) != 1 || verdict.Versions["2"] == 0 {
		return fmt.Errorf("the load saw other versions than 2: %v", verdict.Versions)
	}
	return nil
}

// deliver pushes what lies in the working copy and follows the execution that the push starts.
func (d *Demo) deliver(ctx context.Context, message string, want types.PipelineExecutionStatus, onAction func(string, types.ActionExecutionStatus)) error {
	ctx, cancel := context.WithTimeout(ctx, deliveryTime)
	defer cancel()
	if onAction == nil {
		onAction = func(string, types.ActionExecutionStatus) {}
	}
	at := d.Clock.Now()
	known, err := d.watch.known(ctx)
	if err != nil {
		return err
	}
	commit, err := d.repository.Push(ctx, message)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "   git push: %s %q\n", commit[:8], message)
	execution, err := d.watch.started(ctx, known)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "   the push started execution %s\n", execution)
	got, err := d.watch.follow(ctx, execution, onAction)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "   the pipeline %s after %.1f s\n", got, d.Clock.Now().Sub(at).Seconds())
	if got != want {
		return fmt.Errorf("the pipeline's execution ended as %s, not %s", got, want)
	}
	return nil
}

// underLoad runs f while the site is asked without a pause, and judges the answers.
func (d *Demo) underLoad(ctx context.Context, f func(context.Context) error) (Verdict, error) {
	load := NewLoad(d.site, d.host, d.Clock)
	sending, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	begun := d.Clock.Now()
	go func() { load.Run(sending); close(done) }()
	err := f(ctx)
	stop()
	<-done
	v := load.Verdict()
	rate := float64(v.Sent) / d.Clock.Now().Sub(begun).Seconds()
	fmt.Fprintf(d.Out, "   load: %d requests at %.0f/s, %d streamed answers, %d failed, longest time without an answer %d ms, versions %v\n",
		v.Sent, rate, v.Streams, v.Failed, v.Gap.Milliseconds(), v.Versions)
	if err := errors.Join(err, v.Err()); err != nil {
		return v, err
	}
	if rate < 50 {
		return v, fmt.Errorf("the load was %.0f requests a second, not 50", rate)
	}
	return v, nil
}

// stable waits as aws ecs wait services-stable does.
func (d *Demo) stable(ctx context.Context) error {
	err := ecs.NewServicesStableWaiter(d.stack.aws.ECS, func(o *ecs.ServicesStableWaiterOptions) { o.MinDelay = waiterDelay }).
		Wait(ctx, &ecs.DescribeServicesInput{Cluster: &d.stack.cluster, Services: []string{name}}, patience)
	return wrap(err, "wait for the service to be stable")
}

// healthy waits for the load balancer's targets: a service's first tasks are RUNNING,
// and it is stable, before the application in them listens.
func (d *Demo) healthy(ctx context.Context) error {
	err := elb.NewTargetInServiceWaiter(d.stack.aws.ELB, func(o *elb.TargetInServiceWaiterOptions) { o.MinDelay = waiterDelay }).
		Wait(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &d.stack.targets}, patience)
	return wrap(err, "wait for the targets to be healthy")
}

func (d *Demo) service(ctx context.Context) (ecstypes.Service, error) {
	out, err := d.stack.aws.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &d.stack.cluster, Services: []string{name}})
	if err != nil {
		return ecstypes.Service{}, wrap(err, "describe the service")
	}
	if len(out.Services) != 1 {
		return ecstypes.Service{}, fmt.Errorf("the service %s is gone", name)
	}
	return out.Services[0], nil
}

func (d *Demo) summary(begun time.Time) {
	fmt.Fprintf(d.Out, "\n── Summary\n")
	for _, r := range d.rows {
		fmt.Fprintf(d.Out, "   %-96s %-10s %6.1f s\n", r.what, r.result, r.took.Seconds())
	}
	fmt.Fprintf(d.Out, "   %-96s %-10s %6.1f s\n", "in all", "", d.Clock.Now().Sub(begun).Seconds())
}
