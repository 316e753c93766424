package s3

import (
	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service. Several permissions have another
// name than their operation (Service Authorization Reference, Amazon S3).
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateBucket, func(_ op.Caller, in *api.CreateBucketInput) []string { return bucketARN(in.Bucket) }, s.createBucket).
			With(op.KeyMember(keyACL, func(in *api.CreateBucketInput) *string { return in.ACL }), op.KeyMember("s3:locationconstraint", region)),
		op.Read(api.HeadBucket, func(_ op.Caller, in *api.HeadBucketInput) []string { return bucketARN(in.Bucket) }, s.headBucket).As("s3:ListBucket"),
		op.Read(api.GetBucketLocation, func(_ op.Caller, in *api.GetBucketLocationInput) []string { return bucketARN(in.Bucket) }, s.getBucketLocation),
		op.Read(api.ListBuckets, nil, s.listBuckets).As("s3:ListAllMyBuckets"),
		op.Change(api.DeleteBucket, func(_ op.Caller, in *api.DeleteBucketInput) []string { return bucketARN(in.Bucket) }, s.deleteBucket),
		op.Stream(api.PutObject, func(_ op.Caller, in *api.PutObjectInput) []string { return objectARN(in.Bucket, in.Key) }, s.putObject).
			With(objectKeys(func(in *api.PutObjectInput) sent {
				return sent{in.ACL, in.ServerSideEncryption, in.SSEKMSKeyId, in.StorageClass}
			})...),
		op.Stream(api.GetObject, func(_ op.Caller, in *api.GetObjectInput) []string { return objectARN(in.Bucket, in.Key) }, s.getObject).
			LooksUp(tagKeys(s, func(in *api.GetObjectInput) (bucket, key, version *string) { return in.Bucket, in.Key, in.VersionId })),
		op.Stream(api.HeadObject, func(_ op.Caller, in *api.HeadObjectInput) []string { return objectARN(in.Bucket, in.Key) }, s.headObject).As("s3:GetObject").
			LooksUp(tagKeys(s, func(in *api.HeadObjectInput) (bucket, key, version *string) { return in.Bucket, in.Key, in.VersionId })),
		op.Change(api.DeleteObject, func(_ op.Caller, in *api.DeleteObjectInput) []string { return objectARN(in.Bucket, in.Key) }, s.deleteObject),
		op.Change(api.DeleteObjects, deletedARNs, s.deleteObjects).As("s3:DeleteObject"),
		op.Stream(api.CopyObject, func(_ op.Caller, in *api.CopyObjectInput) []string { return objectARN(in.Bucket, in.Key) }, s.copyObject).As("s3:PutObject").
			With(objectKeys(func(in *api.CopyObjectInput) sent {
				return sent{in.ACL, in.ServerSideEncryption, in.SSEKMSKeyId, in.StorageClass}
			})...).
			With(op.KeyOf("s3:x-amz-copy-source", copiedFrom), op.KeyMember("s3:x-amz-metadata-directive", func(in *api.CopyObjectInput) *string { return in.MetadataDirective })),
		op.Read(api.ListObjects, func(_ op.Caller, in *api.ListObjectsInput) []string { return bucketARN(in.Bucket) }, s.listObjects).As("s3:ListBucket").
			With(listKeys(func(in *api.ListObjectsInput) selection { return selection{in.Prefix, in.Delimiter, in.MaxKeys} })...),
		op.Read(api.ListObjectsV2, func(_ op.Caller, in *api.ListObjectsV2Input) []string { return bucketARN(in.Bucket) }, s.listObjectsV2).As("s3:ListBucket").
			With(listKeys(func(in *api.ListObjectsV2Input) selection { return selection{in.Prefix, in.Delimiter, in.MaxKeys} })...),
		op.Read(api.ListObjectVersions, func(_ op.Caller, in *api.ListObjectVersionsInput) []string { return bucketARN(in.Bucket) }, s.listObjectVersions).As("s3:ListBucketVersions").
			With(listKeys(func(in *api.ListObjectVersionsInput) selection { return selection{in.Prefix, in.Delimiter, in.MaxKeys} })...),
		op.Change(api.CreateMultipartUpload, func(_ op.Caller, in *api.CreateMultipartUploadInput) []string { return objectARN(in.Bucket, in.Key) }, s.createMultipartUpload).As("s3:PutObject").
			With(objectKeys(func(in *api.CreateMultipartUploadInput) sent {
				return sent{in.ACL, in.ServerSideEncryption, in.SSEKMSKeyId, in.StorageClass}
			})...),
		op.Stream(api.UploadPart, func(_ op.Caller, in *api.UploadPartInput) []string { return objectARN(in.Bucket, in.Key) }, s.uploadPart).As("s3:PutObject").
			LooksUp(uploadKeys(s, func(in *api.UploadPartInput) (bucket, id *string) { return in.Bucket, in.UploadId })),
		op.Stream(api.UploadPartCopy, func(_ op.Caller, in *api.UploadPartCopyInput) []string { return objectARN(in.Bucket, in.Key) }, s.uploadPartCopy).As("s3:PutObject").
			LooksUp(uploadKeys(s, func(in *api.UploadPartCopyInput) (bucket, id *string) { return in.Bucket, in.UploadId })),
		op.Stream(api.CompleteMultipartUpload, func(_ op.Caller, in *api.CompleteMultipartUploadInput) []string { return objectARN(in.Bucket, in.Key) }, s.completeMultipartUpload).As("s3:PutObject").
			LooksUp(uploadKeys(s, func(in *api.CompleteMultipartUploadInput) (bucket, id *string) { return in.Bucket, in.UploadId })),
		op.Change(api.AbortMultipartUpload, func(_ op.Caller, in *api.AbortMultipartUploadInput) []string { return objectARN(in.Bucket, in.Key) }, s.abortMultipartUpload),
		op.Read(api.ListParts, func(_ op.Caller, in *api.ListPartsInput) []string { return objectARN(in.Bucket, in.Key) }, s.listParts).As("s3:ListMultipartUploadParts"),
		op.Read(api.ListMultipartUploads, func(_ op.Caller, in *api.ListMultipartUploadsInput) []string { return bucketARN(in.Bucket) }, s.listMultipartUploads).As("s3:ListBucketMultipartUploads").
			With(listKeys(func(in *api.ListMultipartUploadsInput) selection {
				return selection{in.Prefix, in.Delimiter, in.MaxUploads}
			})...),
		op.Read(api.GetObjectTagging, func(_ op.Caller, in *api.GetObjectTaggingInput) []string { return objectARN(in.Bucket, in.Key) }, s.getObjectTagging).
			LooksUp(tagKeys(s, func(in *api.GetObjectTaggingInput) (bucket, key, version *string) {
				return in.Bucket, in.Key, in.VersionId
			})),
		op.Change(api.PutObjectTagging, func(_ op.Caller, in *api.PutObjectTaggingInput) []string { return objectARN(in.Bucket, in.Key) }, s.putObjectTagging).
			LooksUp(tagKeys(s, func(in *api.PutObjectTaggingInput) (bucket, key, version *string) {
				return in.Bucket, in.Key, in.VersionId
			})),
		op.Change(api.DeleteObjectTagging, func(_ op.Caller, in *api.DeleteObjectTaggingInput) []string { return objectARN(in.Bucket, in.Key) }, s.deleteObjectTagging).
			LooksUp(tagKeys(s, func(in *api.DeleteObjectTaggingInput) (bucket, key, version *string) {
				return in.Bucket, in.Key, in.VersionId
			})),
		op.Change(api.PutBucketVersioning, func(_ op.Caller, in *api.PutBucketVersioningInput) []string { return bucketARN(in.Bucket) }, s.putBucketVersioning),
		op.Read(api.GetBucketVersioning, func(_ op.Caller, in *api.GetBucketVersioningInput) []string { return bucketARN(in.Bucket) }, s.getBucketVersioning),
		op.Change(api.PutBucketPolicy, func(_ op.Caller, in *api.PutBucketPolicyInput) []string { return bucketARN(in.Bucket) }, s.putBucketPolicy),
		op.Read(api.GetBucketPolicy, func(_ op.Caller, in *api.GetBucketPolicyInput) []string { return bucketARN(in.Bucket) }, s.getBucketPolicy),
		op.Change(api.DeleteBucketPolicy, func(_ op.Caller, in *api.DeleteBucketPolicyInput) []string { return bucketARN(in.Bucket) }, s.deleteBucketPolicy),
		op.Read(api.GetBucketPolicyStatus, func(_ op.Caller, in *api.GetBucketPolicyStatusInput) []string { return bucketARN(in.Bucket) }, s.getPolicyStatus),
		op.Change(api.PutBucketTagging, func(_ op.Caller, in *api.PutBucketTaggingInput) []string { return bucketARN(in.Bucket) }, s.putBucketTagging),
		op.Read(api.GetBucketTagging, func(_ op.Caller, in *api.GetBucketTaggingInput) []string { return bucketARN(in.Bucket) }, s.getBucketTagging),
		op.Change(api.DeleteBucketTagging, func(_ op.Caller, in *api.DeleteBucketTaggingInput) []string { return bucketARN(in.Bucket) }, s.deleteBucketTagging).As("s3:PutBucketTagging"),
		op.Change(api.PutBucketEncryption, func(_ op.Caller, in *api.PutBucketEncryptionInput) []string { return bucketARN(in.Bucket) }, s.putBucketEncryption).As("s3:PutEncryptionConfiguration"),
		op.Read(api.GetBucketEncryption, func(_ op.Caller, in *api.GetBucketEncryptionInput) []string { return bucketARN(in.Bucket) }, s.getBucketEncryption).As("s3:GetEncryptionConfiguration"),
		op.Change(api.DeleteBucketEncryption, func(_ op.Caller, in *api.DeleteBucketEncryptionInput) []string { return bucketARN(in.Bucket) }, s.deleteBucketEncryption).As("s3:PutEncryptionConfiguration"),
		op.Change(api.PutPublicAccessBlock, func(_ op.Caller, in *api.PutPublicAccessBlockInput) []string { return bucketARN(in.Bucket) }, s.putPublicAccessBlock).As("s3:PutBucketPublicAccessBlock"),
		op.Read(api.GetPublicAccessBlock, func(_ op.Caller, in *api.GetPublicAccessBlockInput) []string { return bucketARN(in.Bucket) }, s.getPublicAccessBlock).As("s3:GetBucketPublicAccessBlock"),
		op.Change(api.DeletePublicAccessBlock, func(_ op.Caller, in *api.DeletePublicAccessBlockInput) []string { return bucketARN(in.Bucket) }, s.deletePublicAccessBlock).As("s3:PutBucketPublicAccessBlock"),
		op.Change(api.PutBucketOwnershipControls, func(_ op.Caller, in *api.PutBucketOwnershipControlsInput) []string { return bucketARN(in.Bucket) }, s.putOwnership),
		op.Read(api.GetBucketOwnershipControls, func(_ op.Caller, in *api.GetBucketOwnershipControlsInput) []string { return bucketARN(in.Bucket) }, s.getOwnership),
		op.Change(api.DeleteBucketOwnershipControls, func(_ op.Caller, in *api.DeleteBucketOwnershipControlsInput) []string { return bucketARN(in.Bucket) }, s.deleteOwnership).As("s3:PutBucketOwnershipControls"),
		op.Change(api.PutBucketLifecycleConfiguration, func(_ op.Caller, in *api.PutBucketLifecycleConfigurationInput) []string { return bucketARN(in.Bucket) }, s.putLifecycle).As("s3:PutLifecycleConfiguration"),
		op.Read(api.GetBucketLifecycleConfiguration, func(_ op.Caller, in *api.GetBucketLifecycleConfigurationInput) []string { return bucketARN(in.Bucket) }, s.getLifecycle).As("s3:GetLifecycleConfiguration"),
		op.Change(api.DeleteBucketLifecycle, func(_ op.Caller, in *api.DeleteBucketLifecycleInput) []string { return bucketARN(in.Bucket) }, s.deleteLifecycle).As("s3:PutLifecycleConfiguration"),
		op.Change(api.PutBucketCors, func(_ op.Caller, in *api.PutBucketCorsInput) []string { return bucketARN(in.Bucket) }, s.putCORS).As("s3:PutBucketCORS"),
		op.Read(api.GetBucketCors, func(_ op.Caller, in *api.GetBucketCorsInput) []string { return bucketARN(in.Bucket) }, s.getCORS).As("s3:GetBucketCORS"),
		op.Change(api.DeleteBucketCors, func(_ op.Caller, in *api.DeleteBucketCorsInput) []string { return bucketARN(in.Bucket) }, s.deleteCORS).As("s3:PutBucketCORS"),
		op.Change(api.PutBucketNotificationConfiguration, func(_ op.Caller, in *api.PutBucketNotificationConfigurationInput) []string {
			return bucketARN(in.Bucket)
		}, s.putNotification).As("s3:PutBucketNotification"),
		op.Read(api.GetBucketNotificationConfiguration, func(_ op.Caller, in *api.GetBucketNotificationConfigurationInput) []string {
			return bucketARN(in.Bucket)
		}, s.getNotification).As("s3:GetBucketNotification"),
		op.Change(api.PutBucketLogging, func(_ op.Caller, in *api.PutBucketLoggingInput) []string { return bucketARN(in.Bucket) }, s.putLogging),
		op.Read(api.GetBucketLogging, func(_ op.Caller, in *api.GetBucketLoggingInput) []string { return bucketARN(in.Bucket) }, s.getLogging),
		op.Read(api.GetBucketAcl, func(_ op.Caller, in *api.GetBucketAclInput) []string { return bucketARN(in.Bucket) }, s.getBucketACL),
		op.Read(api.GetBucketWebsite, func(_ op.Caller, in *api.GetBucketWebsiteInput) []string { return bucketARN(in.Bucket) }, s.getWebsite),
		op.Read(api.GetBucketReplication, func(_ op.Caller, in *api.GetBucketReplicationInput) []string { return bucketARN(in.Bucket) }, s.getReplication).As("s3:GetReplicationConfiguration"),
		op.Read(api.GetObjectLockConfiguration, func(_ op.Caller, in *api.GetObjectLockConfigurationInput) []string { return bucketARN(in.Bucket) }, s.getObjectLock).As("s3:GetBucketObjectLockConfiguration"),
		op.Read(api.GetBucketAccelerateConfiguration, func(_ op.Caller, in *api.GetBucketAccelerateConfigurationInput) []string { return bucketARN(in.Bucket) }, s.getAccelerate).As("s3:GetAccelerateConfiguration"),
		op.Read(api.GetBucketRequestPayment, func(_ op.Caller, in *api.GetBucketRequestPaymentInput) []string { return bucketARN(in.Bucket) }, s.getRequestPayment),
	}
}

// deletedARNs are the objects that DeleteObjects names.
func deletedARNs(_ op.Caller, in *api.DeleteObjectsInput) (arns []string) {
	if in.Delete == nil {
		return bucketARN(in.Bucket)
	}
	for _, o := range in.Delete.Objects {
		arns = append(arns, objectARN(in.Bucket, o.Key)...)
	}
	return arns
}
