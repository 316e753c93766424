package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-ci/penstock/internal/daemon"
	"github.com/penstock-ci/penstock/internal/installation"
)

type uninstallCmd struct {
	Yes bool `help:"Really remove the data folder too: databases, repositories, images, secrets."`
}

// Run removes what the installation made on this machine, its data with --yes.
func (cmd *uninstallCmd) Run(ctx context.Context, c *cli) error {
	in, err := installation.Find(c.Data)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	server := daemon.Server{Binary: exe, Data: in.Data, Log: filepath.Join(in.Data, "uninstall.log")}
	if err := server.Remove(ctx); err != nil {
		return err
	}
	fmt.Printf("removed the containers, namespaces and rules of the installation %s; its server has ended\n", in.ID)
	if !cmd.Yes {
		fmt.Printf("its data is still in %s (--yes removes it)\n", in.Data)
		return nil
	}
	return os.RemoveAll(in.Data)
}
