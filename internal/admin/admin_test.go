package admin

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestOperatorAsksOverTheSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: Handler(Operations{
		Env: func(_ context.Context, account, region string) (Env, error) {
			if account == "1" {
				return Env{}, errors.New("an account has 12 digits")
			}
			return Env{Account: account, Region: region}, nil
		},
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	c := NewClient("/data", socket)
	got, err := c.Env(t.Context(), "100000000001", "eu-west-1")
	if err != nil || got.Account != "100000000001" || got.Region != "eu-west-1" {
		t.Errorf("Env = %+v, %v", got, err)
	}
	if _, err := c.Env(t.Context(), "1", ""); err == nil || err.Error() != "an account has 12 digits" {
		t.Errorf("the refusal came as %v", err)
	}
}

func TestWithoutServerTheNextStepIsSaid(t *testing.T) {
	t.Parallel()
	_, err := NewClient("/data", filepath.Join(t.TempDir(), "none.sock")).Status(t.Context())
	if !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), "penstock serve --data /data") {
		t.Errorf("error = %v", err)
	}
}
