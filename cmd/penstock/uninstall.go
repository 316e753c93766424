package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/penstock-ci/penstock/internal/installation"
)

type uninstallCmd struct {
	Yes bool `help:"Really remove the data folder too: databases, repositories, images, secrets."`
}

// Run removes what the running server's installation made, its data with --yes.
func (cmd *uninstallCmd) Run(ctx context.Context, c *cli) error {
	server, err := c.server()
	if err != nil {
		return err
	}
	in, err := installation.Find(c.Data)
	if err != nil {
		return err
	}
	if err := server.Remove(ctx); err != nil {
		return err
	}
	fmt.Printf("removed the containers, namespaces and rules of the installation %s; its server has ended\n", in.ID)
	if !cmd.Yes {
		fmt.Printf("its data is still in %s (--yes removes it)\n", in.Data)
		return os.RemoveAll(in.Root())
	}
	return errors.Join(os.RemoveAll(in.Root()), os.RemoveAll(in.Data))
}
