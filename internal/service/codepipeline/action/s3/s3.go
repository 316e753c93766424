// Package s3 is the source action that brings an object of a versioned bucket.
// Package codepipeline calls it; it never unpacks the object.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

// Provider is the source action S3.
type Provider struct{ aws op.StreamDispatcher }

// New makes the provider.
func New(aws op.StreamDispatcher) *Provider { return &Provider{aws} }

// Type describes it.
func (*Provider) Type() action.Type {
	return action.Type{
		ID: action.ID{Category: "Source", Owner: "AWS", Provider: "S3", Version: "1"},
		Properties: []action.Property{
			{Name: "S3Bucket", Required: true}, {Name: "S3ObjectKey", Required: true}, {Name: "PollForSourceChanges"}, {Name: "AllowOverrideForS3ObjectKey"},
		},
		Outputs: action.Range{Max: 1}, Timeout: time.Hour,
	}
}

// Latest is the version of the object.
func (p *Provider) Latest(ctx context.Context, in action.Input) (string, error) {
	head, err := p.open(ctx, in, in.Configuration["S3ObjectKey"], nil)
	if err != nil {
		return "", err
	}
	return op.Val(head.VersionId), head.body.Close()
}

// object is an object with its bytes.
type object struct {
	*api.GetObjectOutput
	body io.ReadCloser
}

func (p *Provider) open(ctx context.Context, in action.Input, key string, version *string) (object, error) {
	bucket := in.Configuration["S3Bucket"]
	v, err := op.Call(ctx, p.aws, in.Caller(""), api.GetBucketVersioning, &api.GetBucketVersioningInput{Bucket: &bucket})
	if err != nil {
		return object{}, err
	}
	if op.Val(v.Status) != "Enabled" {
		return object{}, &op.Error{Code: "InvalidBucketState", Message: fmt.Sprintf("The S3 bucket %s must have versioning enabled to be used as a source.", bucket)}
	}
	out, body, err := op.CallStream(ctx, p.aws, in.Caller(""), api.GetObject, &api.GetObjectInput{Bucket: &bucket, Key: &key, VersionId: version}, nil)
	return object{out, body}, err
}

// Start copies the object into the artifact store.
func (p *Provider) Start(ctx context.Context, in action.Input) (action.Report, error) {
	bucket, key := in.Configuration["S3Bucket"], in.Configuration["S3ObjectKey"]
	var version *string
	if o := in.Override; o != nil {
		switch o.Type {
		case "S3_OBJECT_VERSION_ID":
			version = &o.Value
		case "S3_OBJECT_KEY":
			key = o.Value
		}
	}
	got, err := p.open(ctx, in, key, version)
	if f, ok := action.Refused(err); err != nil && ok {
		if f.Code == action.PermissionError {
			return action.Fail(f.Code, "The provided role does not have permissions to perform this action. Underlying error: %s", f.Message), nil
		}
		return action.Fail(f.Code, "The object with key '%s' could not be read from the S3 bucket %s: %s", key, bucket, f.Message), nil
	}
	if err != nil {
		return action.Report{}, err
	}
	defer got.body.Close()
	if len(in.Outputs) > 0 {
		err := action.PutOutput(ctx, p.aws, in, in.Outputs[0], got.body)
		if action.IsDenied(err) {
			return action.StoreDenied(in.Outputs[0].Bucket, err), nil
		}
		if err != nil {
			return action.Report{}, err
		}
	}
	return report(bucket, key, got), nil
}

func report(bucket, key string, o object) action.Report {
	version, etag := op.Val(o.VersionId), strings.Trim(op.Val(o.ETag), `"`)
	summary := o.Metadata["codepipeline-artifact-revision-summary"]
	if summary == "" {
		summary = "Amazon S3 version id: " + version
	}
	r := action.Report{
		State: action.Succeeded, ExternalID: version, Summary: summary, OutputsRevision: version,
		EntityURL: "https://console.aws.amazon.com/s3/home?#",
		Revision:  &action.Revision{ID: version, ChangeID: etag, Summary: summary},
		Variables: map[string]string{"BucketName": bucket, "ETag": etag, "ObjectKey": key, "VersionId": version},
	}
	if o.LastModified != nil {
		r.Revision.Created = o.LastModified.Time
	}
	return r
}

// Poll is never needed: Start ends the action.
func (*Provider) Poll(context.Context, action.Input) (action.Report, error) {
	return action.Report{}, errors.New("the source action S3 has nothing to poll")
}
