package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/gitauth"
)

type gitCredentialCmd struct {
	who
	Operation string `arg:"" help:"get; store and erase are accepted and do nothing, as what is printed is valid for minutes only."`
}

// Run answers Git's protocol: attributes in, username and password out. A host
// that is not this server's is left to the next helper.
func (cmd *gitCredentialCmd) Run(ctx context.Context, c *cli) error {
	if cmd.Operation != "get" {
		return nil
	}
	asked, err := attributes(os.Stdin)
	if err != nil {
		return err
	}
	e, err := cmd.env(ctx, c)
	if err != nil {
		return err
	}
	endpoint, err := url.Parse(e.Endpoint)
	if err != nil {
		return fmt.Errorf("the server's endpoint %q: %w", e.Endpoint, err)
	}
	host, _, _ := strings.Cut(asked["host"], ":")
	isAWS := strings.HasPrefix(host, "git-codecommit.")
	if !isAWS && asked["host"] != endpoint.Host {
		return nil
	}
	if asked["path"] == "" {
		return fmt.Errorf("git did not say which repository: run `git config --global credential.UseHttpPath true`")
	}
	fmt.Printf("username=%s\npassword=%s\n", e.AccessKeyID,
		gitauth.Password(e.SecretAccessKey, e.Region, host, "/"+asked["path"], clock.System{}.Now()))
	return nil
}

func attributes(r io.Reader) (map[string]string, error) {
	out := map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() && lines.Text() != "" {
		key, value, _ := strings.Cut(lines.Text(), "=")
		out[key] = value
	}
	return out, lines.Err()
}
