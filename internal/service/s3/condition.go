package s3

import (
	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
)

// selection is what of a bucket a listing operation asks for.
type selection struct {
	prefix, delimiter *string
	max               *int32
}

// listKeys are the condition keys of a listing. A prefix that is given and empty is
// another than none.
func listKeys[I any](of func(*I) selection) []op.Key {
	return []op.Key{
		op.KeyMember("s3:prefix", func(in *I) *string { return of(in).prefix }),
		op.KeyMember("s3:delimiter", func(in *I) *string { return of(in).delimiter }),
		op.KeyMember("s3:max-keys", func(in *I) *int32 { return of(in).max }),
	}
}

// sent is what the operations that make an object have in common.
type sent struct{ acl, encryption, key, class *string }

const (
	keyACL        = "s3:x-amz-acl"
	keyEncryption = "s3:x-amz-server-side-encryption"
	keyKMS        = "s3:x-amz-server-side-encryption-aws-kms-key-id"
	keyClass      = "s3:x-amz-storage-class"
)

// objectKeys are the condition keys of what makes an object: headers as they were sent.
func objectKeys[I any](of func(*I) sent) []op.Key {
	return []op.Key{
		op.KeyMember(keyACL, func(in *I) *string { return of(in).acl }),
		op.KeyMember(keyEncryption, func(in *I) *string { return of(in).encryption }),
		op.KeyMember(keyKMS, func(in *I) *string { return of(in).key }),
		op.KeyMember(keyClass, func(in *I) *string { return of(in).class }),
	}
}

// copiedFrom is bucket/key of what is copied, without the version.
func copiedFrom(_ op.Caller, in *api.CopyObjectInput) []string {
	bucket, key, _, err := source(in.CopySource)
	if err != nil {
		return nil // refused by the operation
	}
	return []string{bucket + "/" + key}
}

// region is where CreateBucket is asked to make it.
func region(in *api.CreateBucketInput) *string {
	if in.CreateBucketConfiguration == nil {
		return nil
	}
	return in.CreateBucketConfiguration.LocationConstraint
}
