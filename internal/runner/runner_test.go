package runner

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// TestMain lets the test binary be the runner: a build is a process of its own.
func TestMain(m *testing.M) {
	helper := strings.HasPrefix(filepath.Base(os.Args[0]), "codebuild-")
	if helper || os.Getenv(protocol.ControlVariable) != "" || len(os.Args) > 1 && (os.Args[1] == saveStateWord || os.Args[1] == gitCredentialWord) {
		os.Exit(Main(os.Args))
	}
	os.Exit(m.Run())
}

func wantIn(t *testing.T, log string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+log+"\n", "\n"+l+"\n") {
			t.Errorf("the log lacks the line %q:\n%s", l, log)
		}
	}
}

func TestStateSurvivesFromCommandToCommand(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	log := s.build(
		"A=one; export B='two\nlines'; mkdir sub; cd sub",
		`echo "$A-$B"; basename "$PWD"; printenv A`,
		"unset A; C=3; exit 0",
		`echo "A is ${A-gone}, C is ${C-never}"`,
		"if [ 1 = 1 ]; then\n  nosuchcommand\nfi\ntrue",
		"echo $CODEBUILD_BUILD_SUCCEEDING $PENSTOCK_TOKEN$PENSTOCK_CONTROL.",
	)
	wantIn(t, log, "one-two\nlines\nsub\none", "A is one, C is never", "1 .", "> Running command A=one; export B='two")
	if !strings.Contains(log, "script.sh: 5: nosuchcommand: not found") && !strings.Contains(log, "script.sh: line 5: nosuchcommand") {
		t.Errorf("the user's text does not begin at line 4:\n%s", log)
	}
	if want := "DOWNLOAD_SOURCE SUCCEEDED, INSTALL SUCCEEDED, PRE_BUILD SUCCEEDED, BUILD SUCCEEDED, POST_BUILD SUCCEEDED, UPLOAD_ARTIFACTS SUCCEEDED, SUCCEEDED"; s.states() != want {
		t.Errorf("states: %s", s.states())
	}
}

func TestVersion01IsolatesCommands(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.plan.Isolated = true
	wantIn(t, s.build("X=1; cd /", `echo "x=$X $(basename $PWD)"`), "x= src")
}

func TestFailureRunsWhatCodeBuildRuns(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		phases []protocol.Phase
		want   string
	}{
		"in pre_build: finally, then the end": {[]protocol.Phase{
			{Name: protocol.PreBuild, Commands: []string{"exit 3", "echo no"}, Finally: []string{"echo finally $CODEBUILD_BUILD_SUCCEEDING"}},
			{Name: protocol.BuildPhase, Commands: []string{"echo no"}},
		}, "DOWNLOAD_SOURCE SUCCEEDED, PRE_BUILD FAILED, FAILED"},
		"in build: post_build and upload follow": {[]protocol.Phase{
			{Name: protocol.BuildPhase, Commands: []string{"false", "echo no"}, Finally: []string{"echo finally $CODEBUILD_BUILD_SUCCEEDING"}},
			{Name: protocol.PostBuild, Commands: []string{"echo post $CODEBUILD_BUILD_SUCCEEDING"}},
		}, "DOWNLOAD_SOURCE SUCCEEDED, BUILD FAILED, POST_BUILD SUCCEEDED, UPLOAD_ARTIFACTS SUCCEEDED, FAILED"},
		"with ABORT: nothing follows": {[]protocol.Phase{
			{Name: protocol.BuildPhase, OnFailure: protocol.OnFailureAbort, Commands: []string{"false"}, Finally: []string{"echo finally $CODEBUILD_BUILD_SUCCEEDING"}},
			{Name: protocol.PostBuild, Commands: []string{"echo no"}},
		}, "DOWNLOAD_SOURCE SUCCEEDED, BUILD FAILED, FAILED"},
		"with CONTINUE: the build succeeds": {[]protocol.Phase{
			{Name: protocol.Install, OnFailure: protocol.OnFailureContinue, Commands: []string{"false"}, Finally: []string{"echo finally $CODEBUILD_BUILD_SUCCEEDING"}},
			{Name: protocol.BuildPhase, Commands: []string{"true"}},
		}, "DOWNLOAD_SOURCE SUCCEEDED, INSTALL FAILED, BUILD SUCCEEDED, UPLOAD_ARTIFACTS SUCCEEDED, SUCCEEDED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.plan.Phases = tc.phases
			_, wait := s.run()
			if err := wait(); err != nil {
				t.Fatal(err)
			}
			if s.states() != tc.want {
				t.Errorf("states: %s\n want: %s", s.states(), tc.want)
			}
			log := s.log()
			wantIn(t, log, "finally 0")
			if strings.Contains("\n"+log+"\n", "\nno\n") {
				t.Errorf("a command ran that must not:\n%s", log)
			}
		})
	}
}

func TestFailedPhaseAsksForFurtherBuilds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		phase protocol.Phase
		want  int
	}{
		"any error":         {protocol.Phase{Retries: 3, Commands: []string{"false"}}, 3},
		"an error matched":  {protocol.Phase{Retries: 2, Matching: "exit status [34]", Commands: []string{"exit 4"}}, 2},
		"another error":     {protocol.Phase{Retries: 2, Matching: "exit status [34]", Commands: []string{"exit 5"}}, 0},
		"an error finally":  {protocol.Phase{Retries: 1, Commands: []string{"true"}, Finally: []string{"false"}}, 1},
		"none":              {protocol.Phase{Retries: 3, Commands: []string{"true"}}, 0},
		"none is asked for": {protocol.Phase{Commands: []string{"false"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			tc.phase.Name = protocol.BuildPhase
			s.plan.Phases = []protocol.Phase{tc.phase, {Name: protocol.PostBuild, Commands: []string{"echo after"}}}
			_, wait := s.run()
			if err := wait(); err != nil {
				t.Fatal(err)
			}
			wantIn(t, s.log(), "after")
			s.mu.Lock()
			defer s.mu.Unlock()
			if got := s.reports[len(s.reports)-1].Retries; got != tc.want {
				t.Errorf("it asks for %d further builds, want %d", got, tc.want)
			}
		})
	}
}

func TestDaemonsDoNotHoldACommand(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	wantIn(t, s.build("sleep 600 & echo $! > pid; echo started", "echo next; kill $(cat pid)"), "started", "next")
}

func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.plan.Variables = []protocol.Variable{{Name: "PASSWORD", Value: "s3cret-value", Secret: true}}
	log := s.build(`printf 'it is s3cr'; sleep 0.2; printf 'et-value!\n'`, `echo $PASSWORD AKIAIOSFODNN7EXAMPLE`)
	wantIn(t, log, "it is ***!", "*** ***")
	if strings.Contains(log, "s3cret-value") {
		t.Errorf("the secret is in the log:\n%s", log)
	}
}

// The server goes away in the middle of a counting build, and loses answers to what
// it kept: each line is there once, and the commands went on meanwhile.
func TestServerVanishingLosesNoLine(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.lose = 3
	mark := filepath.Join(s.start.Root, "went-on")
	s.plan.Phases = []protocol.Phase{{Name: protocol.BuildPhase, Commands: []string{
		`i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done; until [ -e ` + mark + `.gone ]; do sleep 0.05; done`,
		`while [ $i -lt 4000 ]; do echo "line $i"; i=$((i+1)); done; touch ` + mark,
	}}}
	_, wait := s.run()
	s.await(func() bool { return len(s.lines) > 500 })
	s.http.Close()
	if err := os.WriteFile(mark+".gone", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, mark)
	s.listen(s.addr)
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	next := 0
	for l := range strings.SplitSeq(s.log(), "\n") {
		if n, ok := strings.CutPrefix(l, "line "); ok {
			if n != strconv.Itoa(next) {
				t.Fatalf("line %s where %d was due", n, next)
			}
			next++
		}
	}
	if next != 4000 {
		t.Errorf("%d lines of 4000", next)
	}
}

// awaitFile returns when another process has made file: there is no event for it.
func awaitFile(t *testing.T, file string) {
	for range 600 {
		if _, err := os.Stat(file); err == nil {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("%s did not appear", file)
}

func TestStopKillsTheCommandAndDeliversTheLog(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.plan.Phases = []protocol.Phase{{Name: protocol.BuildPhase, Commands: []string{"echo begun; sleep 600", "echo no"}, Finally: []string{"echo no"}}}
	cmd, wait := s.run()
	s.await(func() bool { return len(s.lines) > 0 && s.lines[len(s.lines)-1] == "begun" })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	if want := "DOWNLOAD_SOURCE SUCCEEDED, BUILD STOPPED, STOPPED"; s.states() != want {
		t.Errorf("states: %s", s.states())
	}
}

func TestSourceAndArtifactsTravelAsZip(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	h := &zip.FileHeader{Name: "dir/run.sh"}
	h.SetMode(0o755)
	f, err := w.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "#!/bin/sh\necho from the source\n")
	f, _ = w.Create("buildspec.yml")
	io.WriteString(f, "version: 0.2 # mine")
	w.Close()
	s.objects["in/a b/src.zip"] = z.Bytes()
	s.start.Sources[0].Kind, s.start.Sources[0].Bucket, s.start.Sources[0].Key = protocol.FromS3, "in", "a b/src.zip"
	s.start.Spec = protocol.SpecPlace{}
	s.plan.Artifacts = []protocol.Artifact{{Files: []string{"out/**/*", "missing.txt"}, Base: "$WHERE", Exclude: []string{"**/*.tmp"}, Bucket: "store", Prefix: "p/", Name: "app.zip", Zip: true}}
	s.plan.Variables = []protocol.Variable{{Name: "WHERE", Value: "dir"}}
	log := s.build("dir/run.sh; mkdir -p dir/out/.hid; echo 1 > dir/out/.hid/f; echo 2 > dir/out/x.tmp")
	wantIn(t, log, "from the source", "> Found 1 file(s)", "> Skipping invalid file path missing.txt")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spec.Text != "version: 0.2 # mine" {
		t.Errorf("buildspec sent: %q", s.spec.Text)
	}
	b := s.objects["store/p/app.zip"]
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(r.File) != 1 || r.File[0].Name != "out/.hid/f" {
		t.Errorf("artifact: %v %v", err, r)
	}
}

func TestMissingObjectFailsTheDownload(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start.Sources[0].Kind, s.start.Sources[0].Bucket, s.start.Sources[0].Key = protocol.FromS3, "in", "none.zip"
	s.build("true")
	s.mu.Lock()
	defer s.mu.Unlock()
	if want := "error while downloading key none.zip, error: AccessDenied: Access Denied"; s.reports[1].Why.Message != want {
		t.Errorf("why: %+v", s.reports[1].Why)
	}
}

func TestSourceFromGitIsDetachedAtTheVersion(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	repo := t.TempDir()
	out, err := exec.Command("sh", "-ec", fmt.Sprintf(`cd %s; git init -q -b main; git config user.email a@b; git config user.name n
echo 1 > f; git add f; git commit -qm 1; git tag v1; echo 2 > f; git commit -qam 2; git rev-parse v1`, repo)).Output()
	if err != nil {
		t.Fatal(err)
	}
	s.start.Sources[0].Kind, s.start.Sources[0].URL, s.start.Sources[0].Ref = protocol.FromGit, "file://"+repo, "v1"
	wantIn(t, s.build("cat f; git rev-parse --abbrev-ref HEAD"), "1", "HEAD")
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.spec.Resolved[""]; got != strings.TrimSpace(string(out)) {
		t.Errorf("resolved %q, want %q", got, out)
	}
}

func TestUnknownBuildEndsTheProcess(t *testing.T) {
	t.Parallel()
	c := &client{base: "http://127.0.0.1:1", http: http.DefaultClient}
	s := newServer(t)
	c.base, c.token = "http://"+s.addr, "wrong"
	if err := c.get(context.Background(), protocol.StartPath, &s.start); !errors.Is(err, errGone) {
		t.Errorf("got %v", err)
	}
}
