// Package examples holds the reference application, so that the demo can deliver
// it from the binary alone.
package examples

import "embed"

// CoreApp is examples/core-app: the first commit, and below next/ what the second
// and the third one change.
//
//go:embed all:core-app
var CoreApp embed.FS
