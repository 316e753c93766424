package registry

import (
	"context"
	"errors"
	"net/http"

	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// base answers whether the client is known. Mirrors know everybody.
func (h *Handler) base(w http.ResponseWriter, r *http.Request) error {
	t := find(r.Host, "")
	if t.mirror == "" {
		if _, err := h.who(r); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write([]byte("{}"))
	return err
}

// admit finds who asks, whether they may, and whether the repository is there.
func (h *Handler) admit(c *call, v verb) error {
	if c.mirror != "" {
		if v.mirror == nil {
			return &refusal{http.StatusMethodNotAllowed, "UNSUPPORTED", c.mirror + " is a mirror of images that `penstock mirror add` brought: it is read only"}
		}
		return v.mirror(h, c)
	}
	caller, err := h.who(c.Request)
	if err != nil {
		return err
	}
	if c.scope.Account == "" {
		return &refusal{http.StatusNotFound, "NAME_UNKNOWN", "by this address a repository is named ACCOUNT.REGION/NAME, such as 100000000001.us-east-1/" + c.repository}
	}
	caller.Region = c.scope.Region
	c.caller = caller
	err = h.DB.View(c.Context(), func(ctx context.Context, r store.Reader) error {
		if err := h.Guard.Allow(ctx, r, caller, v.action, ARN(c.scope, c.repository), nil); err != nil {
			return err
		}
		_, err := h.Records.Repositories.Get(ctx, r, c.scope, c.repository)
		if isMissing(err) {
			return unknownName(c)
		}
		return err
	})
	if denied, ok := errors.AsType[*op.Error](err); ok {
		return &refusal{http.StatusForbidden, "DENIED", denied.Message}
	}
	if err != nil {
		return err
	}
	return v.serve(h, c)
}

func unknownName(c *call) error {
	return &refusal{http.StatusNotFound, "NAME_UNKNOWN", "The repository with name '" + c.repository + "' does not exist in the registry with id '" + c.scope.Account + "'"}
}

// SignedQuery is the parameter of a layer's download address that holds a password.
const SignedQuery = "X-Penstock-Token"

// who checks the password.
func (h *Handler) who(r *http.Request) (op.Caller, error) {
	user, password, ok := r.BasicAuth()
	if t := r.URL.Query().Get(SignedQuery); t != "" && !ok {
		user, password, ok = User, t, true
	}
	if !ok || user != User {
		return op.Caller{}, &refusal{http.StatusUnauthorized, "UNAUTHORIZED", "Not Authorized"}
	}
	caller, err := h.Tokens.open(password)
	switch {
	case errors.Is(err, errExpired):
		return caller, &refusal{http.StatusForbidden, "DENIED", "Your authorization token has expired. Reauthenticate and try again."}
	case err != nil:
		return caller, &refusal{http.StatusUnauthorized, "UNAUTHORIZED", "Your authorization token is invalid. Run aws ecr get-login-password for another."}
	}
	if h.Origin != nil {
		caller.Origin = h.Origin(r.Context())
	}
	caller.Origin.UserAgent, caller.Origin.TLS = r.UserAgent(), r.TLS != nil
	return caller, nil
}
