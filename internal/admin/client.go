package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// Client is a command's side of the socket.
type Client struct {
	data string
	http http.Client
}

// NewClient speaks to the server of the data folder over its socket.
func NewClient(data, socket string) *Client {
	var d net.Dialer
	return &Client{data: data, http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}
}

// Env is Operations.Env.
func (c *Client) Env(ctx context.Context, account, region string) (Env, error) {
	return call[Env](ctx, c, "GET", "/env", url.Values{"account": {account}, "region": {region}})
}

// Status is Operations.Status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, "GET", "/status", nil)
}

// URL is Operations.URL.
func (c *Client) URL(ctx context.Context, name string) ([]URL, error) {
	return call[[]URL](ctx, c, "GET", "/url", url.Values{"name": {name}})
}

// MirrorAdd is Operations.MirrorAdd.
func (c *Client) MirrorAdd(ctx context.Context, image string) (Image, error) {
	return call[Image](ctx, c, "POST", "/mirror", url.Values{"image": {image}})
}

// MirrorList is Operations.MirrorList.
func (c *Client) MirrorList(ctx context.Context) ([]Image, error) {
	return call[[]Image](ctx, c, "GET", "/mirror", nil)
}

// MirrorRemove is Operations.MirrorRemove.
func (c *Client) MirrorRemove(ctx context.Context, image string) error {
	_, err := call[struct{}](ctx, c, "DELETE", "/mirror", url.Values{"image": {image}})
	return err
}

// Remove is Operations.Remove.
func (c *Client) Remove(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, "POST", "/remove", nil)
	return err
}

// ErrNoServer is what every call answers while no server runs.
var ErrNoServer = errors.New("no server runs")

func call[T any](ctx context.Context, c *Client, method, path string, query url.Values) (v T, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://penstock"+path+"?"+query.Encode(), nil)
	if err != nil {
		return v, err
	}
	res, err := c.http.Do(req)
	var refused *net.OpError
	if errors.As(err, &refused) && refused.Op == "dial" {
		return v, fmt.Errorf("%w on the data folder %s: start it with `penstock serve --data %s`, or name another folder with --data", ErrNoServer, c.data, c.data)
	}
	if err != nil {
		return v, fmt.Errorf("ask the server: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var p problem
		if err := json.NewDecoder(res.Body).Decode(&p); err != nil || p.Error == "" {
			return v, fmt.Errorf("ask the server: %s", res.Status)
		}
		return v, errors.New(p.Error)
	}
	return v, json.NewDecoder(res.Body).Decode(&v)
}
