// Penstock-runner is the program inside a build container; see internal/runner.
package main

import (
	"os"

	"github.com/penstock-ci/penstock/internal/runner"
)

func main() { os.Exit(runner.Main(os.Args)) }
