package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
)

type mirrorCmd struct {
	Add    mirrorAddCmd    `cmd:"" help:"Take images from this host's Docker Engine."`
	List   mirrorListCmd   `cmd:"" help:"Show what the mirror holds."`
	Remove mirrorRemoveCmd `cmd:"" help:"Drop images from the mirror."`
}

type mirrorAddCmd struct {
	Images []string `arg:"" help:"Names as builds write them: public.ecr.aws/docker/library/alpine:3.20, postgres:16."`
}

func (cmd *mirrorAddCmd) Run(ctx context.Context, c *cli) error {
	server, err := c.server()
	if err != nil {
		return err
	}
	for _, name := range cmd.Images {
		image, err := server.MirrorAdd(ctx, name)
		if err != nil {
			return err
		}
		fmt.Printf("%s %s %d MiB\n", image.Name, image.Digest, image.Size>>20)
	}
	return nil
}

type mirrorListCmd struct{ output }

func (cmd *mirrorListCmd) Run(ctx context.Context, c *cli) error {
	server, err := c.server()
	if err != nil {
		return err
	}
	images, err := server.MirrorList(ctx)
	if err != nil {
		return err
	}
	return cmd.print(images, func() {
		w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "IMAGE\tMIB\tDIGEST")
		for _, i := range images {
			fmt.Fprintf(w, "%s\t%d\t%s\n", i.Name, i.Size>>20, i.Digest)
		}
		w.Flush()
	})
}

type mirrorRemoveCmd struct {
	Images []string `arg:"" help:"Names as penstock mirror list shows them."`
}

func (cmd *mirrorRemoveCmd) Run(ctx context.Context, c *cli) error {
	server, err := c.server()
	if err != nil {
		return err
	}
	for _, name := range cmd.Images {
		if err := server.MirrorRemove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
