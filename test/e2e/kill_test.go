package e2e

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/penstock-ci/penstock/internal/network/networktest"
)

// A seed decides one moment of a kill: go test ./test/e2e -run Kill -seed N -seeds 1 repeats it.
var (
	firstSeed = flag.Uint64("seed", 0, "the first seed of the kills; 0 draws one")
	seeds     = flag.Int("seeds", 20, "how many seeds to run")
)

// drawSeeds are those of this run, told so that they can be repeated.
func drawSeeds(t *testing.T) (out []uint64) {
	t.Helper()
	first := *firstSeed
	if first == 0 {
		first = uint64(rand.Uint32())
	}
	t.Logf("seeds %d to %d", first, first+uint64(*seeds)-1)
	for i := range *seeds {
		out = append(out, first+uint64(i))
	}
	return out
}

func randomOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

const (
	counted = 150 // lines of a counting build
	atOnce  = 4   // builds side by side: what the server runs at once on two cores
)

// TestKilledServerLosesNoLine kills the server at a random line of each of many
// counting builds, several of which run at once: every build goes on and succeeds, each
// line is in its log once and in order, and what the line did was done once.
func TestKilledServerLosesNoLine(t *testing.T) {
	in := serve(t)
	in.counting(t)
	told := witness(t, in.id)
	for wave := range slices.Chunk(drawSeeds(t), atOnce) {
		t.Run(fmt.Sprintf("seeds %d", wave), func(t *testing.T) { in.countAndKill(t, told, wave) })
	}
}

// countAndKill runs one build per seed; when a build has come to its seed's line, the server is killed.
func (in *installation) countAndKill(t *testing.T, told *telling, wave []uint64) {
	lines := map[string]int{}
	var builds []string
	for _, seed := range wave {
		started, err := in.aws.Build.StartBuild(t.Context(), &codebuild.StartBuildInput{ProjectName: new("count")})
		if err != nil {
			t.Fatal(err)
		}
		builds = append(builds, *started.Build.Id)
		lines[*started.Build.Id] = randomOf(seed).IntN(counted + 1) // 0: before the first
	}
	for waiting := slices.Clone(builds); len(waiting) > 0; {
		build, err := told.wait(t.Context(), waiting, lines)
		if err != nil {
			t.Error(err) // how each ended is told below
			break
		}
		waiting = slices.DeleteFunc(waiting, func(b string) bool { return b == build })
		in.kill()
		in.start()
	}
	for i, build := range builds {
		if err := in.countedOnce(t.Context(), told, build); err != nil {
			t.Errorf("seed %d, killed at line %d: build %s: %v", wave[i], lines[build], build, err)
		}
	}
}

// countedOnce waits for a build's end and looks whether each line is there once.
func (in *installation) countedOnce(ctx context.Context, told *telling, build string) error {
	var status types.StatusType
	err := until(ctx, "the build's end", func() (bool, error) {
		got, err := in.aws.Build.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: []string{build}})
		if err != nil || len(got.Builds) == 0 {
			return false, err
		}
		status = got.Builds[0].BuildStatus
		return status != types.StatusTypeInProgress, nil
	})
	if err != nil {
		return err
	}
	if status != types.StatusTypeSucceeded {
		return fmt.Errorf("it ended as %s", status)
	}
	var want []string
	for i := range counted {
		want = append(want, fmt.Sprintf("line %d", i+1))
	}
	logged, err := in.lines(ctx, build)
	if err != nil {
		return err
	}
	if err := same(logged, want); err != nil {
		return fmt.Errorf("in the log %w", err)
	}
	slices.Sort(want) // two lines' connections may be heard in another order
	if err := same(slices.Sorted(slices.Values(told.of(build))), want); err != nil {
		return fmt.Errorf("of what the lines did, sorted, %w", err)
	}
	return nil
}

// same tells the first difference.
func same(got, want []string) error {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Errorf("number %d of %d is %q, not %q", i+1, len(got), got[i:min(i+1, len(got))], want[i:min(i+1, len(want))])
		}
	}
	return nil
}

// counting makes the project: each line says its number, and tells it to the witness.
func (in *installation) counting(t *testing.T) {
	t.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	role, err := in.aws.IAM.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: new("build"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}`
	if _, err := in.aws.IAM.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("build"), PolicyName: new("logs"), PolicyDocument: &allow}); err != nil {
		t.Fatal(err)
	}
	spec := fmt.Sprintf(`version: 0.2
env:
  shell: bash
phases:
  build:
    commands:
      - for i in $(seq %d); do echo line $i; echo $CODEBUILD_BUILD_ID line $i > /dev/tcp/198.51.100.1/%d || exit 1; sleep 0.03; done
`, counted, witnessPort)
	_, err = in.aws.Build.CreateProject(t.Context(), &codebuild.CreateProjectInput{
		Name: new("count"), ServiceRole: role.Role.Arn, Artifacts: &types.ProjectArtifacts{Type: types.ArtifactsTypeNoArtifacts},
		Source:      &types.ProjectSource{Type: types.SourceTypeNoSource, Buildspec: &spec},
		Environment: &types.ProjectEnvironment{Type: types.EnvironmentTypeLinuxContainer, ComputeType: types.ComputeTypeBuildGeneral1Small, Image: new("aws/codebuild/standard:7.0")},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// telling is what builds have told a host on the internet, which knows nothing of the server.
type telling struct {
	mu    sync.Mutex
	lines map[string][]string // by build
	more  chan struct{}       // closed and made anew with each line
}

const witnessPort = 7000

// witness listens on the internet of the installation.
func witness(t *testing.T, id string) *telling {
	t.Helper()
	outside := networktest.Outside(t, "/run/penstock/"+id)
	var l net.Listener
	err := outside.NS.Do(func() (err error) {
		l, err = net.Listen("tcp4", fmt.Sprintf("%s:%d", outside.Addr, witnessPort))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	told := &telling{lines: map[string][]string{}, more: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed at the test's end
			}
			all.Go(func() { told.hear(c) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return told
}

// hear notes one line. One that arrives in part is noted in part, and so seen.
func (w *telling) hear(c net.Conn) {
	defer c.Close()
	text, err := bufio.NewReader(c).ReadString('\n')
	build, line, _ := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
	if err != nil {
		line += " and then " + err.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines[build] = append(w.lines[build], line)
	close(w.more)
	w.more = make(chan struct{})
}

func (w *telling) of(build string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines[build])
}

// wait returns the first of the builds that has told as many lines as asked for.
func (w *telling) wait(ctx context.Context, builds []string, lines map[string]int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		w.mu.Lock()
		more := w.more
		i := slices.IndexFunc(builds, func(b string) bool { return len(w.lines[b]) >= lines[b] })
		w.mu.Unlock()
		if i >= 0 {
			return builds[i], nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", fmt.Errorf("the builds %v did not come to the lines %v: %w", builds, lines, ctx.Err())
		}
	}
}

// lines are the counted lines of the build's log so far.
func (in *installation) lines(ctx context.Context, build string) (out []string, err error) {
	_, stream, _ := strings.Cut(build, ":")
	request := &logs.GetLogEventsInput{LogGroupName: new("/aws/codebuild/count"), LogStreamName: &stream, StartFromHead: new(true)}
	for {
		page, err := in.aws.Logs.GetLogEvents(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if text := strings.TrimRight(*e.Message, "\n"); strings.HasPrefix(text, "line ") {
				out = append(out, text)
			}
		}
		if request.NextToken != nil && *request.NextToken == *page.NextForwardToken {
			return out, nil
		}
		request.NextToken = page.NextForwardToken
	}
}
