// Package admin is how this machine's operator speaks to a running server: over a
// unix socket that only its owner can open. It serves the commands for people
// (penstock env, status, url, mirror); whatever has an AWS operation goes there instead.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// Env is what a client needs to call the server.
type Env struct {
	Endpoint        string `json:"endpoint"`
	TLSEndpoint     string `json:"tls_endpoint"`
	Account         string `json:"account"`
	Region          string `json:"region"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	CA              string `json:"ca"` // path of the authority's certificate
}

// Status is what runs.
type Status struct {
	Installation string    `json:"installation"`
	Data         string    `json:"data"`
	PID          int       `json:"pid"`
	Started      time.Time `json:"started"`
	Endpoint     string    `json:"endpoint"`
	Site         string    `json:"site"`
	DataPlane    string    `json:"data_plane"`
	DataPlanePID int       `json:"data_plane_pid"` // 0 while it does not answer
	Pods         []Pod     `json:"pods"`
	Alarms       []string  `json:"alarms"`
}

// Pod is one line of Status.
type Pod struct {
	Name    string `json:"name"`
	Owner   string `json:"owner"`
	Phase   string `json:"phase"`
	Address string `json:"address"`
}

// URL is where this host reaches a load balancer.
type URL struct {
	Name    string `json:"name"`
	DNSName string `json:"dns_name"`
	Address string `json:"address"` // to dial: "127.0.0.1:4567"
	Host    string `json:"host"`    // for the Host header: "core-app.elb.localhost:4567"
	URL     string `json:"url"`
}

// Image is one image of the mirror.
type Image struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"` // bytes
}

// Operations are what the server does for its operator.
type Operations struct {
	Env    func(ctx context.Context, account, region string) (Env, error)
	Status func(ctx context.Context) (Status, error)
	URL    func(ctx context.Context, name string) ([]URL, error)
	// The mirror: add takes an image from the host's Engine.
	MirrorAdd    func(ctx context.Context, image string) (Image, error)
	MirrorList   func(ctx context.Context) ([]Image, error)
	MirrorRemove func(ctx context.Context, image string) error
	// Remove takes everything away that the installation made outside its data
	// folder: containers, namespaces, links, rules. The server ends after it.
	Remove func(ctx context.Context) error
}

// Listen opens the socket, in place of one that an ended server left.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for the operator: %w", err)
	}
	return l, os.Chmod(path, 0o600)
}

// Handler serves o.
func Handler(o Operations) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /env", answer(func(r *http.Request) (Env, error) {
		return o.Env(r.Context(), r.FormValue("account"), r.FormValue("region"))
	}))
	mux.HandleFunc("GET /status", answer(func(r *http.Request) (Status, error) { return o.Status(r.Context()) }))
	mux.HandleFunc("GET /url", answer(func(r *http.Request) ([]URL, error) { return o.URL(r.Context(), r.FormValue("name")) }))
	mux.HandleFunc("POST /mirror", answer(func(r *http.Request) (Image, error) { return o.MirrorAdd(r.Context(), r.FormValue("image")) }))
	mux.HandleFunc("GET /mirror", answer(func(r *http.Request) ([]Image, error) { return o.MirrorList(r.Context()) }))
	mux.HandleFunc("DELETE /mirror", answer(func(r *http.Request) (struct{}, error) {
		return struct{}{}, o.MirrorRemove(r.Context(), r.FormValue("image"))
	}))
	mux.HandleFunc("POST /remove", answer(func(r *http.Request) (struct{}, error) { return struct{}{}, o.Remove(r.Context()) }))
	return mux
}

// problem is an error's form on the socket.
type problem struct {
	Error string `json:"error"`
}

func answer[T any](f func(*http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body any
		status := http.StatusOK
		v, err := f(r)
		body = v
		if err != nil {
			body, status = problem{err.Error()}, http.StatusUnprocessableEntity
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		// An error here means that the operator's command has gone.
		_ = json.NewEncoder(w).Encode(body)
	}
}
