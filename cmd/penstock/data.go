package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/penstock-ci/penstock/internal/admin"
	"github.com/penstock-ci/penstock/internal/installation"
)

// defaultData is a system's folder for root, the user's own for others.
func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/penstock"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".penstock"
	}
	return filepath.Join(home, ".local", "share", "penstock")
}

// server is the client of the server that runs on the data folder.
func (c *cli) server() (*admin.Client, error) {
	in, err := installation.Find(c.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w on the data folder %s: start it with `penstock serve --data %s`, or name another folder with --data", admin.ErrNoServer, in.Data, in.Data)
	}
	if err != nil {
		return nil, err
	}
	return admin.NewClient(in.Data, in.Socket("admin")), nil
}

// output is --output of every command that lists something.
type output struct {
	Output string `help:"text or json." enum:"text,json" default:"text" short:"o"`
}

// print writes v as JSON, or as text does.
func (o output) print(v any, text func()) error {
	if o.Output != "json" {
		text()
		return nil
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// exitCode is the code of a command that penstock exec ran, else 1.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode()
	}
	return 1
}
