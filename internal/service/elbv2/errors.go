package elbv2

import (
	"errors"
	"fmt"

	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// invalid is the error that AWS gives for what the model's constraints do not say.
func invalid(format string, args ...any) *op.Error {
	return &op.Error{Code: "ValidationError", Message: fmt.Sprintf(format, args...)}
}

// missing turns a document that is not there into the service's error.
func missing(err error, as *op.Error) error {
	if errors.Is(err, store.ErrNotFound) {
		return as
	}
	return err
}

// gone answers a repeated delete: what is not there is deleted.
func gone[T any](out *T, err error) (*T, error) {
	if err == nil || errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	return nil, err
}
