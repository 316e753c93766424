package main

// service is one generated package and what the model does not say of it.
type service struct {
	Name  string // of our package
	Model string // botocore's folder
	Code  string // of a violated constraint
	Style string // how the violation is worded
}

var services = []service{
	{"codebuild", "codebuild", "InvalidInputException", "Coral"},
	{"codecommit", "codecommit", "ValidationException", "Coral"},
	{"codepipeline", "codepipeline", "ValidationException", "Coral"},
	{"ec2", "ec2", "", "Amazon"},
	{"ecr", "ecr", "InvalidParameterException", "Coral"},
	{"ecs", "ecs", "InvalidParameterException", "Coral"},
	{"elbv2", "elbv2", "ValidationError", "Coral"},
	{"events", "events", "ValidationException", "Coral"},
	{"iam", "iam", "ValidationError", "Coral"},
	{"logs", "logs", "InvalidParameterException", "Coral"},
	{"rds", "rds", "", "Amazon"},
	{"s3", "s3", "", "Storage"},
	{"secretsmanager", "secretsmanager", "ValidationException", "Coral"},
	{"ssm", "ssm", "ValidationException", "Coral"},
	{"sts", "sts", "ValidationError", "Coral"},
}

// s3Roots are the root elements of S3's answers, which botocore's model leaves out
// because its parser does not look at them. Payloads carry their own.
var s3Roots = map[string]string{
	"ListBuckets":             "ListAllMyBucketsResult",
	"ListObjects":             "ListBucketResult",
	"ListObjectsV2":           "ListBucketResult",
	"ListObjectVersions":      "ListVersionsResult",
	"ListParts":               "ListPartsResult",
	"ListMultipartUploads":    "ListMultipartUploadsResult",
	"CreateMultipartUpload":   "InitiateMultipartUploadResult",
	"CompleteMultipartUpload": "CompleteMultipartUploadResult",
	"DeleteObjects":           "DeleteResult",
	"GetBucketLocation":       "LocationConstraint",
	"GetObjectAttributes":     "GetObjectAttributesResponse",
	"GetBucketAcl":            "AccessControlPolicy",
	"GetObjectAcl":            "AccessControlPolicy",
	"GetBucketTagging":        "Tagging",
	"GetObjectTagging":        "Tagging",
	"GetBucketVersioning":     "VersioningConfiguration",
	"GetBucketCors":           "CORSConfiguration",
	"GetBucketWebsite":        "WebsiteConfiguration",
	"GetBucketLogging":        "BucketLoggingStatus",

	"GetBucketAccelerateConfiguration":   "AccelerateConfiguration",
	"GetBucketRequestPayment":            "RequestPaymentConfiguration",
	"GetBucketLifecycleConfiguration":    "LifecycleConfiguration",
	"GetBucketNotificationConfiguration": "NotificationConfiguration",
}
