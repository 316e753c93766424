package codebuild

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
	"github.com/penstock-ci/penstock/internal/store"
)

// ControlPath is where the builds' control addresses begin: ControlPath +
// account/region/project:uuid. What follows is the protocol's.
const ControlPath = "/penstock/builds/"

// maxControl bounds a request of a runner: a batch of lines, or a buildspec.
const maxControl = 8 << 20

// token is the secret of one build's control address. It is derived, so that no row
// holds it and a repeated effect gives the same one.
func (s *Service) token(scope store.Scope, build string) string {
	h := hmac.New(sha256.New, s.Secret)
	fmt.Fprintf(h, "codebuild control\x00%s\x00%s\x00%s", scope.Account, scope.Region, build)
	return hex.EncodeToString(h.Sum(nil))
}

// Control serves the runners.
func (s *Service) Control() http.Handler { return http.HandlerFunc(s.control) }

func (s *Service) control(w http.ResponseWriter, r *http.Request) {
	part := strings.Split(strings.TrimPrefix(r.URL.Path, ControlPath), "/")
	if len(part) != 4 {
		http.Error(w, "no such control address", http.StatusGone)
		return
	}
	scope, id := store.Scope{Account: part[0], Region: part[1]}, part[2]
	want, got := sha256.Sum256([]byte("Bearer "+s.token(scope, id))), sha256.Sum256([]byte(r.Header.Get("Authorization")))
	if !hmac.Equal(want[:], got[:]) {
		http.Error(w, "the token is not this build's", http.StatusUnauthorized)
		return
	}
	answer, err := s.answer(r.Context(), scope, id, part[3], http.MaxBytesReader(w, r.Body, maxControl))
	var gone *goneError
	switch {
	case errors.As(err, &gone):
		http.Error(w, gone.Error(), http.StatusGone)
		return
	case err != nil:
		s.Log.Error("answer a build's runner", "build", id, "request", part[3], "error", err)
		http.Error(w, "the server could not answer; see its log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		s.Log.Debug("a runner did not take its answer", "build", id, "error", err)
	}
}

// goneError ends a runner: there is nothing to do for it.
type goneError struct{ why string }

func (e *goneError) Error() string { return e.why }

func (s *Service) answer(ctx context.Context, scope store.Scope, id, verb string, body interface{ Read([]byte) (int, error) }) (any, error) {
	b, err := s.current(ctx, scope, id)
	if err != nil {
		return nil, err
	}
	if b.Complete() && verb != protocol.SyncPath {
		return nil, &goneError{"the build has ended"}
	}
	switch verb {
	case protocol.StartPath:
		return s.startOf(ctx, b)
	case protocol.SpecPath:
		var in protocol.SpecRequest
		if err := json.NewDecoder(body).Decode(&in); err != nil {
			return nil, fmt.Errorf("decode the request: %w", err)
		}
		return s.plan(ctx, b, in)
	case protocol.SyncPath:
		var in protocol.Sync
		if err := json.NewDecoder(body).Decode(&in); err != nil {
			return nil, fmt.Errorf("decode the request: %w", err)
		}
		return s.sync(ctx, b, in)
	}
	return nil, &goneError{"no such request: " + verb}
}

func (s *Service) current(ctx context.Context, scope store.Scope, id string) (Build, error) {
	var b Build
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		d, err := builds.Get(ctx, r, scope, id)
		b = d.Value
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return b, &goneError{"no such build"}
	}
	if err != nil {
		return b, fmt.Errorf("read build %s: %w", id, err)
	}
	return b, nil
}

// sync keeps lines and reports; what is answered is on disk.
func (s *Service) sync(ctx context.Context, b Build, in protocol.Sync) (protocol.Ack, error) {
	ack := protocol.Ack{Lines: in.First + uint64(len(in.Lines))}
	if b.keepsLog() && len(in.Lines) > 0 {
		lines := make([]logstore.Line, len(in.Lines))
		for i, l := range in.Lines {
			// CloudWatch's events of a build end with the newline.
			lines[i] = logstore.Line{At: time.UnixMilli(l.At).UTC(), Text: l.Text + "\n"}
		}
		next, err := s.Lines.Append(ctx, s.stream(b), in.First, lines)
		if err != nil {
			return ack, fmt.Errorf("keep the build's lines: %w", err)
		}
		ack.Lines = next
	}
	if len(in.Reports) == 0 {
		return ack, nil
	}
	first, last := in.Reports[0].N, in.Reports[len(in.Reports)-1].N
	raw, err := json.Marshal(in.Reports)
	if err != nil {
		return ack, fmt.Errorf("encode the reports: %w", err)
	}
	err = s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		return s.Engine.Send(ctx, tx, machineID(b.Scope, b.ID()), engine.Event{
			ID: fmt.Sprintf("reports/%d-%d", first, last), Name: evReported, At: s.Clock.Now(), Body: raw,
		})
	})
	if err != nil {
		return ack, fmt.Errorf("keep the build's reports: %w", err)
	}
	ack.Reports = last + 1
	return ack, nil
}

// startOf is what the runner is told first.
func (s *Service) startOf(ctx context.Context, b Build) (protocol.Start, error) {
	leased, err := s.leased(ctx, b)
	return protocol.Start{
		Build: b.ID(), ARN: b.ARN(), Region: b.Region, Trust: s.Trust(), Sources: b.sources(), Spec: b.specPlace(),
		Docker: op.Val(b.Asked.Environment.PrivilegedMode), MTU: s.MTU,
		S3:         "https://s3." + b.Region + ".amazonaws.com",
		KeepSource: leased && b.caches(api.CacheModeLocalSourceCache), KeepLayers: leased && b.caches(api.CacheModeLocalDockerLayerCache),
	}, err
}
