package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dataplane/process"
	"github.com/penstock-ci/penstock/internal/installation"
)

type dataplaneCmd struct{}

func (cmd *dataplaneCmd) Run(ctx context.Context, c *cli) error {
	in, err := installation.Find(c.Data)
	if err != nil {
		return err
	}
	return process.Main(ctx, process.Options{
		Run: in.Root(), State: in.Path("dataplane"), Netns: in.Root() + "/netns", Serve: in.Socket("serve"),
		Version: version(), Clock: clock.System{}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
}
