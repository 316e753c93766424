package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/penstock-ci/penstock/internal/admin"
)

// who chooses account and region for env and exec.
type who struct {
	Account string `help:"Account id; an account that does not exist yet is made." placeholder:"ID"`
	Region  string `help:"Region." default:"us-east-1"`
}

func (w who) env(ctx context.Context, c *cli) (admin.Env, error) {
	server, err := c.server()
	if err != nil {
		return admin.Env{}, err
	}
	return server.Env(ctx, w.Account, w.Region)
}

// variables are what the AWS clients read. The endpoint has an IP address in it, so
// that they choose S3's path style.
func variables(e admin.Env) [][2]string {
	return [][2]string{
		{"AWS_ENDPOINT_URL", e.Endpoint},
		{"AWS_ACCESS_KEY_ID", e.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", e.SecretAccessKey},
		{"AWS_DEFAULT_REGION", e.Region},
		{"AWS_REGION", e.Region},
	}
}

type envCmd struct {
	who
	output
}

func (cmd *envCmd) Run(ctx context.Context, c *cli) error {
	e, err := cmd.env(ctx, c)
	if err != nil {
		return err
	}
	return cmd.print(e, func() {
		for _, v := range variables(e) {
			fmt.Printf("export %s=%s\n", v[0], v[1])
		}
		fmt.Println("unset AWS_SESSION_TOKEN AWS_PROFILE")
	})
}

type execCmd struct {
	who
	Command []string `arg:"" passthrough:"" help:"The command and its arguments."`
}

func (cmd *execCmd) Run(ctx context.Context, c *cli) error {
	e, err := cmd.env(ctx, c)
	if err != nil {
		return err
	}
	command := cmd.Command
	if command[0] == "--" && len(command) > 1 { // as people separate a command from options
		command = command[1:]
	}
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.Stdin, run.Stdout, run.Stderr = os.Stdin, os.Stdout, os.Stderr
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_SESSION_TOKEN=") && !strings.HasPrefix(v, "AWS_PROFILE=") {
			run.Env = append(run.Env, v)
		}
	}
	for _, v := range variables(e) {
		run.Env = append(run.Env, v[0]+"="+v[1])
	}
	return run.Run()
}
