package iam

import "github.com/penstock-ci/penstock/internal/op"

// invalid is the error that no shape of the model describes.
func invalid(text string) *op.Error { return &op.Error{Code: "ValidationError", Message: text} }
