package sim

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// runner speaks from a build's container as the real one does: it outlives servers,
// and repeats whatever nobody has answered.
type runner struct {
	w              *world
	control, token string
	reports        []protocol.Report
	lines, told    uint64
}

// build is the program of build containers: a while of work, and image definitions
// that name the commit they were built from.
func (w *world) build(ctx context.Context, c compute.Container) (code int) {
	r := &runner{w: w}
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		switch name {
		case protocol.ControlVariable:
			r.control = value
		case protocol.TokenVariable:
			r.token = value
		}
	}
	if !r.work(ctx) {
		return 1
	}
	return 0
}

// course is how the next build goes.
func (w *world) course() (outcome string, duration time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing > 0 {
		w.failing--
		return protocol.Failed, w.duration
	}
	return protocol.Succeeded, w.duration
}

func (r *runner) work(ctx context.Context) bool {
	outcome, duration := r.w.course()
	var start protocol.Start
	var plan protocol.Plan
	if !r.ask(ctx, protocol.StartPath, struct{}{}, &start) {
		return false
	}
	source, ok := r.w.object(start.Sources[0].Bucket + "/" + start.Sources[0].Key)
	if !ok {
		r.w.problem("the build " + start.Build + " has no source")
		return false
	}
	r.report(protocol.DownloadSource, "")
	if !r.ask(ctx, protocol.SpecPath, protocol.SpecRequest{Text: start.Spec.Inline}, &plan) {
		return false
	}
	if plan.Refusal != nil {
		r.w.problem("the build " + start.Build + " is refused: " + plan.Refusal.Message)
		return false
	}
	r.report(protocol.DownloadSource, protocol.Succeeded)
	for _, phase := range []string{protocol.Install, protocol.PreBuild} {
		r.report(phase, "")
		r.report(phase, protocol.Succeeded)
	}
	r.report(protocol.BuildPhase, "")
	if !r.sync(ctx, "building "+string(source)) || !r.pause(ctx, duration) {
		return false
	}
	r.report(protocol.BuildPhase, outcome)
	r.report(protocol.PostBuild, "")
	r.report(protocol.PostBuild, protocol.Succeeded)
	r.report(protocol.UploadArtifacts, "")
	if outcome == protocol.Succeeded {
		a := plan.Artifacts[0]
		r.w.put(a.Bucket+"/"+a.Prefix+a.Name, definitions(string(source)))
	}
	r.report(protocol.UploadArtifacts, protocol.Succeeded)
	r.report("", outcome)
	return r.sync(ctx, "done")
}

func definitions(commit string) []byte {
	image := "registry/app:" + commit
	if strings.HasPrefix(commit, "bad") {
		image = "registry/no-such-image:" + commit
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.CreateHeader(&zip.FileHeader{Name: "imagedefinitions.json"})
	if err == nil {
		_, err = fmt.Fprintf(f, `[{"name":"app","imageUri":%q}]`, image)
	}
	if err != nil || z.Close() != nil {
		panic("a zip in memory")
	}
	return b.Bytes()
}

func (r *runner) report(phase, state string) {
	r.reports = append(r.reports, protocol.Report{N: uint64(len(r.reports)), At: r.w.clock.Now().UnixMilli(), Phase: phase, State: state})
}

// sync delivers a line and the reports that are not told yet.
func (r *runner) sync(ctx context.Context, line string) bool {
	in := protocol.Sync{First: r.lines, Lines: []protocol.Line{{At: r.w.clock.Now().UnixMilli(), Text: line}}, Reports: r.reports[r.told:]}
	var ack protocol.Ack
	ok := r.ask(ctx, protocol.SyncPath, in, &ack)
	r.lines, r.told = ack.Lines, ack.Reports
	return ok
}

// ask repeats until a server answers; false: there is nothing to do any more.
func (r *runner) ask(ctx context.Context, verb string, in, out any) bool {
	body, err := json.Marshal(in)
	if err != nil {
		panic(err) // plain structures
	}
	for {
		s := r.w.alive(ctx)
		if s == nil {
			return false
		}
		q := httptest.NewRequestWithContext(about(ctx, "runner:"+r.control[strings.LastIndexByte(r.control, '/')+1:]+" "+verb), http.MethodPost, r.control+"/"+verb, bytes.NewReader(body))
		q.Header.Set("Authorization", "Bearer "+r.token)
		answer := httptest.NewRecorder()
		s.builds.Control().ServeHTTP(answer, q)
		switch {
		case answer.Code == http.StatusOK:
			return json.Unmarshal(answer.Body.Bytes(), out) == nil
		case answer.Code < http.StatusInternalServerError:
			return false // the build has ended
		}
		if !r.pause(ctx, 100*time.Millisecond) {
			return false
		}
	}
}

func (r *runner) pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-r.w.clock.After(d):
		return true
	}
}
