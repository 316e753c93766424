package rds

import (
	"fmt"

	"github.com/penstock-ci/penstock/internal/op"
)

// invalid and combination are the common errors that the model does not list.
func invalid(format string, args ...any) *op.Error {
	return &op.Error{Code: "InvalidParameterValue", Message: fmt.Sprintf(format, args...)}
}

func combination(format string, args ...any) *op.Error {
	return &op.Error{Code: "InvalidParameterCombination", Message: fmt.Sprintf(format, args...)}
}
