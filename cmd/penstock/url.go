package main

import (
	"context"
	"fmt"
)

type urlCmd struct {
	output
	Name string `arg:"" help:"Load balancer: its name, ARN or DNS name."`
}

func (cmd *urlCmd) Run(ctx context.Context, c *cli) error {
	server, err := c.server()
	if err != nil {
		return err
	}
	urls, err := server.URL(ctx, cmd.Name)
	if err != nil {
		return err
	}
	return cmd.print(urls, func() {
		for _, u := range urls {
			fmt.Println(u.URL)
		}
	})
}
