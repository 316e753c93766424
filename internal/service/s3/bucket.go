package s3

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Bucket is a row; its key is the name. Settings keep the API's own form: they are
// read back as they were written.
type Bucket struct {
	Account, Region string
	Created         time.Time
	Versioning      string // "", Enabled, Suspended
	Policy          string
	Tags            []api.Tag                              `json:",omitzero"`
	Encryption      *api.ServerSideEncryptionConfiguration `json:",omitzero"`
	PublicAccess    *api.PublicAccessBlockConfiguration    `json:",omitzero"`
	Ownership       *api.OwnershipControls                 `json:",omitzero"`
	Lifecycle       []api.LifecycleRule                    `json:",omitzero"`
	TransitionSize  string                                 `json:",omitzero"` // TransitionDefaultMinimumObjectSize
	CORS            []api.CORSRule                         `json:",omitzero"`
	Notification    *api.NotificationConfiguration         `json:",omitzero"`
	Logging         *api.LoggingEnabled                    `json:",omitzero"`
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (s *Service) createBucket(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateBucketInput) (*api.CreateBucketOutput, error) {
	name := op.Val(in.Bucket)
	if !bucketName.MatchString(name) || strings.Contains(name, "..") {
		return nil, &op.Error{Code: "InvalidBucketName", Message: "The specified bucket is not valid.", Fields: map[string]string{"BucketName": name}}
	}
	region := c.Region
	if in.CreateBucketConfiguration != nil && op.Val(in.CreateBucketConfiguration.LocationConstraint) != "" {
		if region = *in.CreateBucketConfiguration.LocationConstraint; region == "EU" {
			region = "eu-west-1"
		}
		if c.Region != region && c.Region != "us-east-1" {
			return nil, &op.Error{Code: "IllegalLocationConstraintException", Message: "The " + region + " location constraint is incompatible for the region specific endpoint this request was sent to."}
		}
	}
	out := &api.CreateBucketOutput{Location: new("/" + name)}
	b := Bucket{Account: c.Account, Region: region, Created: s.Clock.Now()}
	if in.ObjectOwnership != nil {
		b.Ownership = &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: in.ObjectOwnership}}}
	}
	_, err := s.buckets.Put(ctx, tx, global, name, b, 0)
	if !errors.Is(err, store.ErrVersion) {
		return out, err
	}
	d, err := s.bucket(ctx, tx, &name, nil)
	if err != nil {
		return nil, err
	}
	if d.Value.Account != c.Account {
		return nil, api.BucketAlreadyExists("The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")
	}
	if region != "us-east-1" || d.Value.Region != region {
		return nil, api.BucketAlreadyOwnedByYou("Your previous request to create the named bucket succeeded and you already own it.")
	}
	return out, nil
}

func (s *Service) headBucket(ctx context.Context, r store.Reader, _ op.Caller, in *api.HeadBucketInput) (*api.HeadBucketOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &api.HeadBucketOutput{BucketRegion: &d.Value.Region, BucketArn: new(prefix + d.Key)}, nil
}

func (s *Service) getBucketLocation(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketLocationInput) (*api.GetBucketLocationOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	out := &api.GetBucketLocationOutput{}
	if d.Value.Region != "us-east-1" {
		out.LocationConstraint = &d.Value.Region
	}
	return out, nil
}

func (s *Service) listBuckets(ctx context.Context, r store.Reader, c op.Caller, in *api.ListBucketsInput) (*api.ListBucketsOutput, error) {
	docs, err := s.buckets.List(ctx, r, global, store.Query{Index: "account", Equal: c.Account})
	if err != nil {
		return nil, err
	}
	out := &api.ListBucketsOutput{Buckets: []api.Bucket{}, Owner: owner(c.Account), Prefix: in.Prefix}
	for _, d := range docs {
		if !strings.HasPrefix(d.Key, op.Val(in.Prefix)) || in.BucketRegion != nil && *in.BucketRegion != d.Value.Region {
			continue
		}
		out.Buckets = append(out.Buckets, api.Bucket{Name: &d.Key, CreationDate: op.At(d.Value.Created), BucketRegion: &d.Value.Region})
	}
	return out, nil
}

func (s *Service) deleteBucket(ctx context.Context, tx store.Tx, _ op.Caller, in *api.DeleteBucketInput) (*api.DeleteBucketOutput, error) {
	d, err := s.bucket(ctx, tx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	objects, err := s.objects.List(ctx, tx, within(d.Key), store.Query{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(objects) > 0 {
		return nil, &op.Error{Code: "BucketNotEmpty", Status: 409, Message: "The bucket you tried to delete is not empty", Fields: map[string]string{"BucketName": d.Key}}
	}
	uploads, err := s.uploads.List(ctx, tx, within(d.Key), store.Query{})
	if err != nil {
		return nil, err
	}
	for _, u := range uploads {
		if err := s.dropUpload(ctx, tx, u); err != nil {
			return nil, err
		}
	}
	return &api.DeleteBucketOutput{}, s.buckets.Delete(ctx, tx, global, d.Key, d.Version)
}

// owner is the canonical user of an account: 64 digits made of its id.
func owner(account string) *api.Owner {
	return &api.Owner{ID: new(strings.Repeat("0", 64-len(account)) + account), DisplayName: &account}
}
