package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
)

// credentialsAddress tells the credential helper where the role's keys are, where
// it is not AWS's own address.
const credentialsAddress = "PENSTOCK_CREDENTIALS"

// linkLocal is where AWS_CONTAINER_CREDENTIALS_RELATIVE_URI points.
const linkLocal = "http://169.254.170.2"

// gitCredential answers Git's question for CodeCommit repositories: the user is
// the access key, the password a signature of the repository's path. Other hosts
// are left to other helpers.
func gitCredential(verb string, in io.Reader, out io.Writer) error {
	if verb != "get" {
		return nil
	}
	asked := map[string]string{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if k, v, ok := strings.Cut(lines.Text(), "="); ok {
			asked[k] = v
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read Git's question: %w", err)
	}
	name, _, _ := strings.Cut(asked["host"], ":") // the port is no part of the signature
	parts := strings.Split(name, ".")
	if len(parts) < 4 || parts[0] != "git-codecommit" {
		return nil
	}
	k, err := environmentKeys()
	if err != nil {
		return err
	}
	user := k.AccessKeyId
	if k.Token != "" {
		user += "%" + k.Token
	}
	_, err = fmt.Fprintf(out, "username=%s\npassword=%s\n", user, codeCommitPassword(k, parts[1], name, "/"+strings.TrimPrefix(asked["path"], "/"), clock.System{}.Now()))
	return err
}

// environmentKeys are the keys that a command sees: its own variables, else the role's.
func environmentKeys() (keys, error) {
	if id := os.Getenv("AWS_ACCESS_KEY_ID"); id != "" {
		return keys{AccessKeyId: id, SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), Token: os.Getenv("AWS_SESSION_TOKEN")}, nil
	}
	address := os.Getenv(credentialsAddress)
	if rel := os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); address == "" && rel != "" {
		address = linkLocal + rel
	}
	if address == "" {
		return keys{}, errors.New("no credentials: neither AWS_ACCESS_KEY_ID nor AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set")
	}
	return fetchKeys(context.Background(), newHTTP(), address)
}

// codeCommitPassword is a version 4 signature of the method GIT.
func codeCommitPassword(k keys, region, host, path string, now time.Time) string {
	const form = "20060102T150405"
	stamp := now.UTC().Format(form)
	canonical := "GIT\n" + path + "\n\nhost:" + host + "\n\nhost\n"
	scope := stamp[:8] + "/" + region + "/codecommit/aws4_request"
	return stamp + "Z" + signature(k.SecretAccessKey, scope, stamp, canonical)
}
