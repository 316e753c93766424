package runner

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

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
	stored  []string // keys, in the order of their last storing
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
		s.stored = append(s.stored, key)
		return
	}
	if r.URL.Query().Get("list-type") == "2" {
		s.list(w, key+"/", r.URL.Query().Get("prefix"))
		return
	}
	b, ok := s.objects[key]
	if !ok && strings.HasPrefix(key, "cache/") {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>`)
		return
	}
	if !ok {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
		return
	}
	w.Write(b)
}

// list answers a bucket's objects; each is a minute newer than the one before. s.mu is held.
func (s *server) list(w io.Writer, bucket, prefix string) {
	io.WriteString(w, "<ListBucketResult>")
	for i, stored := range s.stored {
		if key, ok := strings.CutPrefix(stored, bucket); ok && strings.HasPrefix(key, prefix) {
			fmt.Fprintf(w, "<Contents><Key>%s</Key><LastModified>2026-11-26T10:%02d:00.000Z</LastModified></Contents>", key, i)
		}
	}
	io.WriteString(w, "</ListBucketResult>")
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
