package git

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// Services of the smart protocol.
const (
	uploadPack  = "git-upload-pack"
	receivePack = "git-receive-pack"
)

// Request is one call that Authorise decides.
type Request struct {
	Name               string // the repository's, from the path
	Path               string // "/v1/repos/NAME": what the credential helper signs
	Write              bool
	Username, Password string
	HTTP               *http.Request
	// References are the full names of what a push moves; nil where it is not told yet,
	// while the client asks what there is.
	References func() ([]string, error)
}

// Session is an authorised call.
type Session struct {
	Repository *Repository
	// Pushed is called after receive-pack, before the client hears that it ended.
	Pushed func(context.Context) error
}

// Refusal is an answer to a call that is not authorised.
type Refusal struct {
	Status  int // 401 asks for credentials
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// Handler serves /v1/repos/NAME/….
type Handler struct {
	Authorise func(context.Context, Request) (*Session, error)
	Log       *slog.Logger
}

// Matches tells whether the path is Git's.
func Matches(path string) bool {
	_, _, ok := split(path)
	return ok
}

func split(path string) (name, service string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v1/repos/")
	if !ok {
		return "", "", false
	}
	name, service, ok = strings.Cut(rest, "/")
	switch service {
	case "info/refs", uploadPack, receivePack:
		return name, service, ok && name != ""
	}
	return "", "", false
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, service, ok := split(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	advertise := service == "info/refs"
	if advertise {
		service = r.URL.Query().Get("service")
	}
	if service != uploadPack && service != receivePack {
		http.Error(w, "this server speaks Git's smart HTTP protocol only", http.StatusForbidden)
		return
	}
	if want := map[bool]string{true: http.MethodGet, false: http.MethodPost}[advertise]; r.Method != want {
		w.Header().Set("Allow", want)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	request := Request{Name: name, Path: "/v1/repos/" + name, Write: service == receivePack, HTTP: r}
	request.Username, request.Password, _ = r.BasicAuth()
	body, err := plain(r)
	if err != nil {
		http.Error(w, "the request's body is not gzip: "+err.Error(), http.StatusBadRequest)
		return
	}
	if request.Write && !advertise {
		p := &push{body: body}
		body, request.References = p, p.references
	}
	session, err := h.Authorise(r.Context(), request)
	if err != nil {
		h.refuse(w, name, err)
		return
	}
	if err := h.serve(w, r, call{session, service, advertise, body}); err != nil {
		// The answer has begun: the client sees it cut off.
		h.Log.Error("git", "repository", name, "service", service, "error", err)
		panic(http.ErrAbortHandler)
	}
}

func (h *Handler) refuse(w http.ResponseWriter, name string, err error) {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		h.Log.Error("git", "repository", name, "error", err)
		http.Error(w, "the server failed; its log says why", http.StatusInternalServerError)
		return
	}
	if refusal.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="AWS CodeCommit"`)
	}
	http.Error(w, refusal.Message, refusal.Status)
}

// plain is the request's body, unzipped where the client zipped it.
func plain(r *http.Request) (io.Reader, error) {
	if r.Header.Get("Content-Encoding") == "gzip" {
		return gzip.NewReader(r.Body)
	}
	return r.Body, nil
}

// call is an authorised request.
type call struct {
	*Session
	service   string
	advertise bool
	body      io.Reader
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, c call) error {
	w.Header().Set("Cache-Control", "no-cache")
	args := []string{strings.TrimPrefix(c.service, "git-"), "--stateless-rpc"}
	if c.advertise {
		w.Header().Set("Content-Type", "application/x-"+c.service+"-advertisement")
		if _, err := io.WriteString(w, packet("# service="+c.service+"\n")+"0000"); err != nil {
			return err
		}
		args = append(args, "--http-backend-info-refs")
	} else {
		w.Header().Set("Content-Type", "application/x-"+c.service+"-result")
	}
	cmd := c.Repository.command(r.Context(), append(args, c.Repository.dir)...)
	if v := r.Header.Get("Git-Protocol"); v != "" && protocolIsPlain(v) {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+v)
	}
	var stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.body, flusher{w}, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	if c.service == receivePack && !c.advertise {
		// References may have moved even if the client has gone.
		err = errors.Join(err, c.Pushed(context.WithoutCancel(r.Context())))
	}
	return err
}

// packet is a line in pkt-line form.
func packet(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }

// protocolIsPlain admits "version=2" and its kin only: it becomes an environment variable.
func protocolIsPlain(v string) bool {
	return len(v) < 100 && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz0123456789=:-") == ""
}

// flusher sends what git writes at once: progress is for people.
type flusher struct{ http.ResponseWriter }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = http.NewResponseController(f.ResponseWriter).Flush()
	}
	return n, err
}
