package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-ci/penstock/internal/authority"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/docker"
	"github.com/penstock-ci/penstock/internal/host"
	"github.com/penstock-ci/penstock/internal/host/baseimage"
)

type setupCmd struct {
	Engine string `help:"Address of the Docker Engine." env:"DOCKER_HOST" placeholder:"URL"`
	Cache  string `help:"Where made images are kept for the next time." default:"${cache}" env:"PENSTOCK_CACHE" placeholder:"DIR"`
}

func (cmd *setupCmd) Run(ctx context.Context, _ *cli) error { return cmd.run(ctx) }

// run makes the machine ready; what is ready already takes moments.
func (cmd *setupCmd) run(ctx context.Context) error {
	setup := host.Setup{Engine: cmd.Engine, Folder: filepath.Join(cmd.Cache, "engine"), Clock: clock.System{}, Out: os.Stdout}
	if err := setup.Run(ctx); err != nil {
		return err
	}
	engine, err := docker.Connect(cmd.Engine)
	if err != nil {
		return err
	}
	additional, err := authority.HostAdditional()
	if err != nil {
		return errors.Join(err, engine.Close())
	}
	maker := baseimage.Maker{Engine: engine, Cache: cmd.Cache, Authorities: additional, Clock: clock.System{}, Out: os.Stdout}
	return errors.Join(maker.Ensure(ctx), engine.Close())
}

// defaultCache is outside every data folder: images are the same for all.
func defaultCache() string {
	if os.Geteuid() == 0 {
		return "/var/cache/penstock"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ".cache"
	}
	return filepath.Join(dir, "penstock")
}

type doctorCmd struct {
	output
	Engine string `help:"Address of the Docker Engine." env:"DOCKER_HOST" placeholder:"URL"`
	Listen string `help:"The address that the server will have." default:"127.0.0.1:4566" env:"PENSTOCK_LISTEN"`
	Site   string `help:"The address that the load balancers will have." default:"127.0.0.1:4567" env:"PENSTOCK_SITE"`
}

func (cmd *doctorCmd) Run(ctx context.Context, c *cli) error {
	checks := host.Doctor{Engine: cmd.Engine, Data: c.Data, Listen: cmd.Listen, Site: cmd.Site}.Run(ctx)
	err := cmd.print(checks, func() {
		for _, check := range checks {
			mark := "ok  "
			if !check.OK {
				mark = "!!  "
			}
			fmt.Printf("%s%-22s %s\n", mark, check.Name, check.Detail)
			if !check.OK && check.Next != "" {
				fmt.Printf("    %-22s → %s\n", "", check.Next)
			}
		}
	})
	for _, check := range checks {
		if !check.OK && check.Fatal {
			return errors.Join(err, fmt.Errorf("this machine cannot run Penstock yet: %s", check.Detail))
		}
	}
	return err
}
