package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sys/unix"
)

// smallDisk is above what a fresh installation takes.
const smallDisk = 96 << 20

// TestFullDisk fills the disk of the data folder. Changes are refused in AWS's shape
// by a sentence that says why, each wholly; reads go on. With room again the same
// server goes on by itself, and knows what it said that it did, and nothing else.
func TestFullDisk(t *testing.T) {
	binary(t)
	disk := newDisk(t)
	in := serveOn(t, filepath.Join(disk.folder, "data"))
	changes := in.changes()
	done := map[string][]string{}
	for _, c := range changes {
		if err := c.make(t.Context(), "before"); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		done[c.name] = []string{"before"}
	}
	in.role(t)
	build := in.build(t, "count", "for i in $(seq 60); do echo line $i; sleep 0.1; done")
	in.inPhase(t, build, "BUILD")
	disk.fill(t)
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			// The files have some room in them yet.
			for n := range 1000 {
				name := fmt.Sprintf("full-%d", n)
				err := c.make(t.Context(), name)
				if err != nil {
					saysFull(t, err)
					break
				}
				done[c.name] = append(done[c.name], name)
			}
			c.hasOnly(t, done[c.name])
		})
	}
	disk.free(t)
	in.succeeds(t, build)
	if lines, err := in.lines(t.Context(), build); err != nil || len(lines) != 60 || slices.Contains(lines, "line 0") {
		t.Errorf("the build that ran has of 60 lines %q, %v", lines, err)
	}
	for round := range 2 {
		for _, c := range changes {
			name := fmt.Sprintf("after-%d", round)
			if err := c.make(t.Context(), name); err != nil {
				t.Fatalf("with room again, %s: %v", c.name, err)
			}
			done[c.name] = append(done[c.name], name)
			c.hasOnly(t, done[c.name])
		}
		in.kill()
		in.start()
	}
}

// saysFull looks at a refusal as a program and as a person does.
func saysFull(t *testing.T, err error) {
	t.Helper()
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "ServiceUnavailable: The disk") {
		t.Errorf("the full disk is told by %v", err)
	}
}

// change is one operation that writes, and the one that lists what it wrote.
type change struct {
	name string
	make func(ctx context.Context, name string) error
	list func(ctx context.Context) ([]string, error)
}

func (c change) hasOnly(t *testing.T, want []string) {
	t.Helper()
	got, err := c.list(t.Context())
	if err != nil {
		t.Errorf("%s: the list: %v", c.name, err)
		return
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: there are %v, and done were %v", c.name, got, want)
	}
}

// changes are one of each protocol, of bodies in files, and of the log lines' database.
func (in *installation) changes() []change {
	const bucket, group = "disk-bucket", "/disk"
	return []change{
		{"a secret (JSON)", func(ctx context.Context, name string) error {
			_, err := in.aws.Secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: new(strings.Repeat("s", 50_000))},
				func(o *secretsmanager.Options) { o.RetryMaxAttempts = 1 })
			return err
		}, func(ctx context.Context) (names []string, err error) {
			pages := secretsmanager.NewListSecretsPaginator(in.aws.Secrets, &secretsmanager.ListSecretsInput{})
			for pages.HasMorePages() && err == nil {
				var page *secretsmanager.ListSecretsOutput
				if page, err = pages.NextPage(ctx); err == nil {
					for _, s := range page.SecretList {
						names = append(names, *s.Name)
					}
				}
			}
			return names, err
		}},
		{"a user (Query)", func(ctx context.Context, name string) error {
			_, err := in.aws.IAM.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}, func(o *iam.Options) { o.RetryMaxAttempts = 1 })
			return err
		}, func(ctx context.Context) (names []string, err error) {
			got, err := in.aws.IAM.ListUsers(ctx, &iam.ListUsersInput{MaxItems: new(int32(1000))})
			if err == nil {
				for _, u := range got.Users {
					names = append(names, *u.UserName)
				}
			}
			return names, err
		}},
		{"a security group (EC2)", func(ctx context.Context, name string) error {
			_, err := in.aws.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: &name}, func(o *ec2.Options) { o.RetryMaxAttempts = 1 })
			return err
		}, func(ctx context.Context) (names []string, err error) {
			got, err := in.aws.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
			if err == nil {
				for _, g := range got.SecurityGroups {
					if *g.GroupName != "default" {
						names = append(names, *g.GroupName)
					}
				}
			}
			return names, err
		}},
		{"an object (REST)", func(ctx context.Context, name string) error {
			if name == "before" {
				if _, err := in.aws.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: new(bucket)}); err != nil {
					return err
				}
			}
			_, err := in.aws.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: new(bucket), Key: &name, Body: strings.NewReader(strings.Repeat(name, 100_000))},
				func(o *s3.Options) { o.RetryMaxAttempts = 1 })
			return err
		}, func(ctx context.Context) (names []string, err error) {
			got, err := in.aws.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: new(bucket)})
			if err == nil {
				for _, o := range got.Contents {
					names = append(names, *o.Key)
				}
			}
			return names, err
		}},
		{"a log line", func(ctx context.Context, name string) error {
			if name == "before" {
				if _, err := in.aws.Logs.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: new(group)}); err != nil {
					return err
				}
				if _, err := in.aws.Logs.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: new(group), LogStreamName: new(group)}); err != nil {
					return err
				}
			}
			_, err := in.aws.Logs.PutLogEvents(ctx, &logs.PutLogEventsInput{LogGroupName: new(group), LogStreamName: new(group), LogEvents: []logtypes.InputLogEvent{
				{Message: &name, Timestamp: new(time.Now().UnixMilli())}, {Message: new(strings.Repeat("x", 200_000)), Timestamp: new(time.Now().UnixMilli())},
			}}, func(o *logs.Options) { o.RetryMaxAttempts = 1 })
			return err
		}, func(ctx context.Context) (names []string, err error) {
			pages := logs.NewGetLogEventsPaginator(in.aws.Logs, &logs.GetLogEventsInput{LogGroupName: new(group), LogStreamName: new(group), StartFromHead: new(true)},
				func(o *logs.GetLogEventsPaginatorOptions) { o.StopOnDuplicateToken = true })
			for pages.HasMorePages() && err == nil {
				var page *logs.GetLogEventsOutput
				if page, err = pages.NextPage(ctx); err == nil {
					for _, e := range page.Events {
						if !strings.HasPrefix(*e.Message, "xxx") {
							names = append(names, *e.Message)
						}
					}
				}
			}
			return names, err
		}},
	}
}

// disk is a small one of the test's own.
type disk struct{ folder string }

func newDisk(t *testing.T) disk {
	t.Helper()
	d := disk{t.TempDir()}
	if err := unix.Mount("tmpfs", d.folder, "tmpfs", 0, fmt.Sprintf("size=%d", smallDisk)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(d.folder, 0); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return d
}

func (d disk) ballast() string { return filepath.Join(d.folder, "ballast") }

// fill writes until there is no room.
func (d disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(d.ballast())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func (d disk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		t.Fatal(err)
	}
}
