package wire_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestBoto3SpeaksEveryProtocol(t *testing.T) {
	t.Parallel()
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("NOT TESTED: python3 with boto3 is not installed (pip install boto3)")
	}
	b := setup(t)
	for _, scheme := range []string{"http", "https"} {
		out, err := exec.Command("python3", "testdata/clients.py", scheme+"://"+b.address, b.bundle, key, secret).CombinedOutput()
		if err != nil {
			t.Fatalf("over %s: %v\n%s", scheme, err, out)
		}
		if got := strings.Fields(string(out)); got[len(got)-1] != "sts" {
			t.Errorf("over %s it ended early:\n%s", scheme, out)
		}
	}
}

func TestCommandLineSpeaksEveryProtocol(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("NOT TESTED: the aws command is not installed")
	}
	b := setup(t)
	dir := t.TempDir()
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // two parts of 8 MiB
	if err := os.WriteFile(filepath.Join(dir, "big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"http", "https"} {
		run := func(want string, args ...string) {
			t.Helper()
			cmd := exec.Command("aws", args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+scheme+"://"+b.address, "AWS_CA_BUNDLE="+b.bundle, "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret,
				"AWS_DEFAULT_REGION=eu-west-1", "AWS_MAX_ATTEMPTS=1", "AWS_CONFIG_FILE=/dev/null", "AWS_PAGER=", "AWS_SESSION_TOKEN=")
			out, err := cmd.CombinedOutput()
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: aws %s: want %q (%v)\n%s", scheme, strings.Join(args, " "), want, err, out)
			}
		}
		run("arn:aws:iam::100000000001:root", "sts", "get-caller-identity")
		run("vpc-1", "ec2", "describe-vpcs", "--filters", "Name=tag:Name,Values=a,b")
		run("arn:c", "ecs", "list-clusters")
		run("(ClusterNotFoundException) when calling the DescribeClusters operation: Cluster not found.", "ecs", "describe-clusters")
		run("upload:", "s3", "cp", "--no-progress", "big", "s3://bucket/"+scheme)
		if !bytes.Equal(b.objects[scheme], big) {
			t.Errorf("%s: the upload came as %d bytes", scheme, len(b.objects[scheme]))
		}
		run("a b", "s3", "ls", "s3://bucket/")
	}
}
