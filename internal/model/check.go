package model

import "github.com/penstock-ci/penstock/internal/op"

// Check is nil, or the refusal of an input.
func (c *Constraints) Check(in any) *op.Error { return nil }
