package s3

import (
	"strings"

	"github.com/penstock-ci/penstock/internal/op"
)

const prefix = "arn:aws:s3:::"

func bucketARN(bucket *string) []string { return []string{prefix + op.Val(bucket)} }

func objectARN(bucket, key *string) []string {
	return []string{prefix + op.Val(bucket) + "/" + op.Val(key)}
}

// bucketOf is the bucket's name in an ARN of a bucket or object.
func bucketOf(resource string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(resource, prefix), "/")
	return name
}
