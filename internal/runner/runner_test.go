package runner

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// TestMain lets the test binary be the runner: a build is a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv(protocol.ControlVariable) != "" || len(os.Args) > 1 && (os.Args[1] == saveStateWord || os.Args[1] == gitCredentialWord) {
		os.Exit(Main(os.Args))
	}
	os.Exit(m.Run())
}

// server is a control server with a memory; its listener can vanish and return.
type server struct {
	t     *testing.T
	addr  string
	start protocol.Start
	plan  protocol.Plan

	mu      sync.Mutex
	cond    *sync.Cond
	lines   []string
	reports []protocol.Report
	objects map[string][]byte
	spec    protocol.SpecRequest
	http    *http.Server
	lose    int // answers to swallow: the change is kept, the runner does not learn it
}

func newServer(t *testing.T) *server {
	root := t.TempDir()
	s := &server{t: t, objects: map[string][]byte{}, plan: protocol.Plan{Shell: "sh"}}
	s.cond = sync.NewCond(&s.mu)
	s.listen("127.0.0.1:0")
	t.Cleanup(func() { s.http.Close() })
	s.start = protocol.Start{
		Build: "demo:1", Region: "us-east-1", Root: root, S3: "http://" + s.addr + "/s3",
		Credentials: "http://" + s.addr + "/credentials",
		Sources:     []protocol.Source{{Kind: protocol.FromNothing, Dir: filepath.Join(root, "output/src1/src")}},
		Spec:        protocol.SpecPlace{Inline: "version: 0.2"},
	}
	return s
}

func (s *server) listen(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve)}
	go s.http.Serve(l)
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/s3/") {
		s.object(w, r)
		return
	}
	if r.URL.Path == "/credentials" {
		io.WriteString(w, `{"AccessKeyId":"ASIAAAAAAAAAAAAAAAAA","SecretAccessKey":"x","Token":"t"}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/start":
		s.mu.Lock()
		defer s.mu.Unlock()
		json.NewEncoder(w).Encode(s.start)
	case "/spec":
		s.mu.Lock()
		defer s.mu.Unlock()
		json.NewDecoder(r.Body).Decode(&s.spec)
		json.NewEncoder(w).Encode(s.plan)
	case "/sync":
		var in protocol.Sync
		json.NewDecoder(r.Body).Decode(&in)
		ack, lost := s.take(in)
		if lost {
			panic(http.ErrAbortHandler)
		}
		json.NewEncoder(w).Encode(ack)
	}
}

// take keeps each line and report once, by its number.
func (s *server) take(in protocol.Sync) (protocol.Ack, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.cond.Broadcast()
	for i, l := range in.Lines {
		switch n := in.First + uint64(i); {
		case n == uint64(len(s.lines)):
			s.lines = append(s.lines, l.Text)
		case n > uint64(len(s.lines)):
			s.t.Errorf("line %d came before line %d", n, len(s.lines))
		}
	}
	for _, r := range in.Reports {
		if r.N == uint64(len(s.reports)) {
			s.reports = append(s.reports, r)
		}
	}
	s.lose--
	return protocol.Ack{Lines: uint64(len(s.lines)), Reports: uint64(len(s.reports))}, s.lose >= 0
}

func (s *server) object(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/s3/")
	if r.Method == http.MethodPut {
		s.objects[key], _ = io.ReadAll(r.Body)
		return
	}
	b, ok := s.objects[key]
	if !ok {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
		return
	}
	w.Write(b)
}

// run starts the runner as a process; the result waits for its end.
func (s *server) run() (*exec.Cmd, func() error) {
	s.t.Helper()
	s.mu.Lock() // what the test has set is seen by the handlers
	s.mu.Unlock()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), protocol.ControlVariable + "=http://" + s.addr, protocol.TokenVariable + "=secret"}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, cmd.Wait
}

// build runs a whole build of the phase BUILD and returns its log without stamps.
func (s *server) build(commands ...string) string {
	s.t.Helper()
	s.plan.Phases = []protocol.Phase{
		{Name: protocol.Install}, {Name: protocol.PreBuild},
		{Name: protocol.BuildPhase, Declared: true, Commands: commands}, {Name: protocol.PostBuild},
	}
	_, wait := s.run()
	if err := wait(); err != nil {
		s.t.Fatal(err)
	}
	return s.log()
}

func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, l := range s.lines {
		if rest, ok := strings.CutPrefix(l, "[Container] "); ok {
			l = "> " + rest[len(stampForm)+1:]
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

// states is the reports as "PHASE STATE" words.
func (s *server) states() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.reports {
		if r.State != "" {
			out = append(out, strings.TrimSpace(r.Phase+" "+r.State))
		}
	}
	return strings.Join(out, ", ")
}

// await blocks until ok holds.
func (s *server) await(ok func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !ok() {
		s.cond.Wait()
	}
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
