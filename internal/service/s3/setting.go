package s3

import (
	"context"
	"encoding/json"

	api "github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// alter changes a bucket's row.
func (s *Service) alter(ctx context.Context, tx store.Tx, bucket, owner *string, f func(*Bucket) error) error {
	d, err := s.bucket(ctx, tx, bucket, owner)
	if err != nil {
		return err
	}
	if err := f(&d.Value); err != nil {
		return err
	}
	_, err = s.buckets.Put(ctx, tx, global, d.Key, d.Value, d.Version)
	return err
}

// unset is the answer to reading a setting that a bucket does not have.
func unset(code, message string) *op.Error {
	return &op.Error{Code: code, Status: 404, Message: message}
}

func malformed() *op.Error {
	return &op.Error{Code: "MalformedXML", Message: "The XML you provided was not well-formed or did not validate against our published schema"}
}

func (s *Service) putBucketVersioning(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutBucketVersioningInput) (*api.PutBucketVersioningOutput, error) {
	return &api.PutBucketVersioningOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		if in.VersioningConfiguration == nil || in.VersioningConfiguration.Status == nil {
			return &op.Error{Code: "IllegalVersioningConfigurationException", Message: "The Versioning element must be specified"}
		}
		b.Versioning = *in.VersioningConfiguration.Status
		return nil
	})
}

func (s *Service) getBucketVersioning(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketVersioningInput) (*api.GetBucketVersioningOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketVersioningOutput{Status: op.Opt(d.Value.Versioning)}, err
}

func (s *Service) putBucketPolicy(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutBucketPolicyInput) (*api.PutBucketPolicyOutput, error) {
	return &api.PutBucketPolicyOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		if !json.Valid([]byte(op.Val(in.Policy))) {
			return &op.Error{Code: "MalformedPolicy", Message: "Policies must be valid JSON and the first byte must be '{'"}
		}
		b.Policy = *in.Policy
		return nil
	})
}

func (s *Service) getBucketPolicy(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketPolicyInput) (*api.GetBucketPolicyOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && d.Value.Policy == "" {
		err = unset("NoSuchBucketPolicy", "The bucket policy does not exist")
	}
	return &api.GetBucketPolicyOutput{Policy: &d.Value.Policy}, err
}

func (s *Service) deleteBucketPolicy(ctx context.Context, tx store.Tx, _ op.Caller, in *api.DeleteBucketPolicyInput) (*api.DeleteBucketPolicyOutput, error) {
	return &api.DeleteBucketPolicyOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error { b.Policy = ""; return nil })
}

func (s *Service) putBucketTagging(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutBucketTaggingInput) (*api.PutBucketTaggingOutput, error) {
	return &api.PutBucketTaggingOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		if in.Tagging == nil {
			return malformed()
		}
		b.Tags = in.Tagging.TagSet
		return nil
	})
}

func (s *Service) getBucketTagging(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketTaggingInput) (*api.GetBucketTaggingOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && len(d.Value.Tags) == 0 {
		err = unset("NoSuchTagSet", "The TagSet does not exist")
	}
	return &api.GetBucketTaggingOutput{TagSet: d.Value.Tags}, err
}

func (s *Service) deleteBucketTagging(ctx context.Context, tx store.Tx, _ op.Caller, in *api.DeleteBucketTaggingInput) (*api.DeleteBucketTaggingOutput, error) {
	return &api.DeleteBucketTaggingOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error { b.Tags = nil; return nil })
}

func (s *Service) putBucketEncryption(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutBucketEncryptionInput) (*api.PutBucketEncryptionOutput, error) {
	return &api.PutBucketEncryptionOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		b.Encryption = in.ServerSideEncryptionConfiguration
		return nil
	})
}

// getBucketEncryption: every bucket encrypts, with S3's own key unless told otherwise.
func (s *Service) getBucketEncryption(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketEncryptionInput) (*api.GetBucketEncryptionOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	set := d.Value.Encryption
	if set == nil {
		set = &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: new(api.ServerSideEncryptionAes256)}, BucketKeyEnabled: new(false),
		}}}
	}
	return &api.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: set}, err
}

func (s *Service) deleteBucketEncryption(ctx context.Context, tx store.Tx, _ op.Caller, in *api.DeleteBucketEncryptionInput) (*api.DeleteBucketEncryptionOutput, error) {
	return &api.DeleteBucketEncryptionOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error { b.Encryption = nil; return nil })
}

func (s *Service) putPublicAccessBlock(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutPublicAccessBlockInput) (*api.PutPublicAccessBlockOutput, error) {
	return &api.PutPublicAccessBlockOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		b.PublicAccess = in.PublicAccessBlockConfiguration
		return nil
	})
}

func (s *Service) getPublicAccessBlock(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetPublicAccessBlockInput) (*api.GetPublicAccessBlockOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && d.Value.PublicAccess == nil {
		err = unset("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: d.Value.PublicAccess}, err
}

func (s *Service) deletePublicAccessBlock(ctx context.Context, tx store.Tx, _ op.Caller, in *api.DeletePublicAccessBlockInput) (*api.DeletePublicAccessBlockOutput, error) {
	return &api.DeletePublicAccessBlockOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error { b.PublicAccess = nil; return nil })
}

func (s *Service) putOwnership(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutBucketOwnershipControlsInput) (*api.PutBucketOwnershipControlsOutput, error) {
	return &api.PutBucketOwnershipControlsOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		b.Ownership = in.OwnershipControls
		return nil
	})
}

func (s *Service) getOwnership(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketOwnershipControlsInput) (*api.GetBucketOwnershipControlsOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && d.Value.Ownership == nil {
		err = unset("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
	}
	return &api.GetBucketOwnershipControlsOutput{OwnershipControls: d.Value.Ownership}, err
}

func (s *Service) deleteOwnership(ctx context.Context, tx store.Tx, _ op.Caller, in *api.DeleteBucketOwnershipControlsInput) (*api.DeleteBucketOwnershipControlsOutput, error) {
	return &api.DeleteBucketOwnershipControlsOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error { b.Ownership = nil; return nil })
}

func (s *Service) putLifecycle(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutBucketLifecycleConfigurationInput) (*api.PutBucketLifecycleConfigurationOutput, error) {
	size := op.Or(in.TransitionDefaultMinimumObjectSize, api.TransitionDefaultMinimumObjectSizeAllStorageClasses128K)
	return &api.PutBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: &size}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		if in.LifecycleConfiguration == nil {
			return malformed()
		}
		b.Lifecycle, b.TransitionSize = in.LifecycleConfiguration.Rules, size
		return nil
	})
}

func (s *Service) getLifecycle(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketLifecycleConfigurationInput) (*api.GetBucketLifecycleConfigurationOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && len(d.Value.Lifecycle) == 0 {
		err = unset("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	}
	return &api.GetBucketLifecycleConfigurationOutput{Rules: d.Value.Lifecycle, TransitionDefaultMinimumObjectSize: op.Opt(d.Value.TransitionSize)}, err
}

func (s *Service) deleteLifecycle(ctx context.Context, tx store.Tx, _ op.Caller, in *api.DeleteBucketLifecycleInput) (*api.DeleteBucketLifecycleOutput, error) {
	return &api.DeleteBucketLifecycleOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error { b.Lifecycle = nil; return nil })
}

func (s *Service) putCORS(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutBucketCorsInput) (*api.PutBucketCorsOutput, error) {
	return &api.PutBucketCorsOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		if in.CORSConfiguration == nil {
			return malformed()
		}
		b.CORS = in.CORSConfiguration.CORSRules
		return nil
	})
}

func (s *Service) getCORS(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketCorsInput) (*api.GetBucketCorsOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && len(d.Value.CORS) == 0 {
		err = unset("NoSuchCORSConfiguration", "The CORS configuration does not exist")
	}
	return &api.GetBucketCorsOutput{CORSRules: d.Value.CORS}, err
}

func (s *Service) deleteCORS(ctx context.Context, tx store.Tx, _ op.Caller, in *api.DeleteBucketCorsInput) (*api.DeleteBucketCorsOutput, error) {
	return &api.DeleteBucketCorsOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error { b.CORS = nil; return nil })
}

func (s *Service) putNotification(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutBucketNotificationConfigurationInput) (*api.PutBucketNotificationConfigurationOutput, error) {
	return &api.PutBucketNotificationConfigurationOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		n := in.NotificationConfiguration
		if n != nil && (len(n.TopicConfigurations) > 0 || len(n.QueueConfigurations) > 0 || len(n.LambdaFunctionConfigurations) > 0) {
			return refused("A notification to a topic, a queue or a function")
		}
		b.Notification = n
		return nil
	})
}

func (s *Service) getNotification(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketNotificationConfigurationInput) (*api.GetBucketNotificationConfigurationOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	out := &api.GetBucketNotificationConfigurationOutput{}
	if d.Value.Notification != nil {
		out.EventBridgeConfiguration = d.Value.Notification.EventBridgeConfiguration
	}
	return out, err
}

func (s *Service) putLogging(ctx context.Context, tx store.Tx, _ op.Caller, in *api.PutBucketLoggingInput) (*api.PutBucketLoggingOutput, error) {
	return &api.PutBucketLoggingOutput{}, s.alter(ctx, tx, in.Bucket, in.ExpectedBucketOwner, func(b *Bucket) error {
		if in.BucketLoggingStatus != nil {
			b.Logging = in.BucketLoggingStatus.LoggingEnabled
		}
		return nil
	})
}

func (s *Service) getLogging(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketLoggingInput) (*api.GetBucketLoggingOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketLoggingOutput{LoggingEnabled: d.Value.Logging}, err
}

// The settings that no bucket here has, read as AWS answers for a bucket without them.

func (s *Service) getBucketACL(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketAclInput) (*api.GetBucketAclOutput, error) {
	d, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	who := owner(d.Value.Account)
	return &api.GetBucketAclOutput{Owner: who, Grants: []api.Grant{{
		Grantee: &api.Grantee{ID: who.ID, DisplayName: who.DisplayName, Type: new(api.TypeCanonicalUser)}, Permission: new(api.PermissionFullControl),
	}}}, err
}

func (s *Service) getPolicyStatus(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketPolicyStatusInput) (*api.GetBucketPolicyStatusOutput, error) {
	_, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketPolicyStatusOutput{PolicyStatus: &api.PolicyStatus{IsPublic: new(false)}}, err
}

func (s *Service) getWebsite(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketWebsiteInput) (*api.GetBucketWebsiteOutput, error) {
	if _, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	return nil, unset("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
}

func (s *Service) getReplication(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketReplicationInput) (*api.GetBucketReplicationOutput, error) {
	if _, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	return nil, unset("ReplicationConfigurationNotFoundError", "The replication configuration was not found")
}

func (s *Service) getObjectLock(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetObjectLockConfigurationInput) (*api.GetObjectLockConfigurationOutput, error) {
	if _, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	return nil, unset("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
}

func (s *Service) getAccelerate(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketAccelerateConfigurationInput) (*api.GetBucketAccelerateConfigurationOutput, error) {
	_, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketAccelerateConfigurationOutput{}, err
}

func (s *Service) getRequestPayment(ctx context.Context, r store.Reader, _ op.Caller, in *api.GetBucketRequestPaymentInput) (*api.GetBucketRequestPaymentOutput, error) {
	_, err := s.bucket(ctx, r, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketRequestPaymentOutput{Payer: new(api.PayerBucketOwner)}, err
}
