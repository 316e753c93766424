package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

// Status is what the process tells of itself.
type Status struct {
	Version  string
	PID      int
	Number   uint64
	Origin   string
	Started  time.Time
	Problems string `json:",omitzero"` // sockets that could not be opened
}

// listen opens the two unix sockets. Each is made beside its path and moved
// there, so that the path always leads to a process.
func (p *process) listen() (stop func(), err error) {
	give, err := listenUnix("unixpacket", Sockets(p.Run))
	if err != nil {
		return nil, err
	}
	control, err := listenUnix("unix", p.Control())
	if err != nil {
		give.Close()
		return nil, err
	}
	srv := &http.Server{Handler: p.control(), ErrorLog: p.httpLog, ReadHeaderTimeout: time.Minute}
	p.running.Go(func() {
		if err := srv.Serve(control); !errors.Is(err, http.ErrServerClosed) {
			p.Log.Warn("the control socket ended", "error", err)
		}
	})
	p.running.Go(func() {
		for {
			c, err := give.AcceptUnix()
			if err != nil {
				return // closed by stop
			}
			go p.give(c)
		}
	})
	return func() {
		give.Close()
		srv.Close()
	}, nil
}

func listenUnix(network, path string) (*net.UnixListener, error) {
	next := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix(network, &net.UnixAddr{Name: next, Net: network})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := os.Rename(next, path); err != nil {
		l.Close()
		return nil, fmt.Errorf("put the socket in place: %w", err)
	}
	return l, nil
}

func (p *process) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", p.status)
	mux.HandleFunc("PUT /snapshot", p.putSnapshot)
	mux.HandleFunc("GET /reports", p.reports)
	mux.HandleFunc("POST /stop", p.stop)
	return mux
}

func (p *process) status(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	s := Status{p.Version, os.Getpid(), p.snapshot.Number, p.snapshot.Origin, p.started, p.problems}
	p.mu.Unlock()
	select {
	case <-p.replaced:
		w.Header().Set("Connection", "close")
		http.Error(w, errMoving.Error(), http.StatusConflict)
		return
	default:
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s) // a client that left is nobody's error
}

func (p *process) putSnapshot(w http.ResponseWriter, r *http.Request) {
	var s dataplane.Snapshot
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		http.Error(w, "the snapshot cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	err := p.apply(s)
	switch {
	case errors.Is(err, errMoving):
		w.Header().Set("Connection", "close")
		http.Error(w, err.Error(), http.StatusConflict)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// reports streams one line of JSON per report.
func (p *process) reports(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/jsonlines")
	out, e := http.NewResponseController(w), json.NewEncoder(w)
	if out.Flush() != nil {
		return
	}
	// An error is the client's going; the stream also ends when another process
	// takes over, so that the client asks that one.
	ctx, cancel := contextUntil(r.Context(), p.replaced)
	defer cancel()
	_ = p.balance.Watch(ctx, func(rep dataplane.Report) error {
		if err := e.Encode(rep); err != nil {
			return err
		}
		return out.Flush()
	})
}

func (p *process) stop(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNoContent)
	_ = http.NewResponseController(w).Flush() // it asked and need not stay for the answer
	p.stopOnce.Do(func() { close(p.stopped) })
}
