package model_test

import (
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/op"
)

func TestViolationsAreToldInTheWordsOfTheService(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		got  *op.Error
		code string
		want string
	}{
		"a missing member": {
			codebuild.StartBuild.Check(&codebuild.StartBuildInput{}), "InvalidInputException",
			"1 validation error detected: Value null at 'projectName' failed to satisfy constraint: Member must not be null",
		},
		"an empty string": {
			codebuild.StartBuild.Check(&codebuild.StartBuildInput{ProjectName: new("")}), "InvalidInputException",
			"1 validation error detected: Value '' at 'projectName' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		"a member of a list of structures": {
			elbv2.RegisterTargets.Check(&elbv2.RegisterTargetsInput{TargetGroupArn: new("a"), Targets: []elbv2.TargetDescription{{Id: new("i")}, {}}}), "ValidationError",
			"1 validation error detected: Value null at 'targets.2.member.id' failed to satisfy constraint: Member must not be null",
		},
		"two at once": {
			iam.CreateRole.Check(&iam.CreateRoleInput{}), "ValidationError",
			"2 validation errors detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null; Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null",
		},
		"a pattern": {
			codepipeline.GetPipeline.Check(&codepipeline.GetPipelineInput{Name: new("a b")}), "ValidationException",
			`1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [A-Za-z0-9.@\-_]+`,
		},
		"an enum": {
			ecr.PutImageTagMutability.Check(&ecr.PutImageTagMutabilityInput{RepositoryName: new("app"), ImageTagMutability: new("SOME")}), "InvalidParameterException",
			"1 validation error detected: Value 'SOME' at 'imageTagMutability' failed to satisfy constraint: Member must satisfy enum value set: [MUTABLE, IMMUTABLE, IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION]",
		},
		"a sensitive value is not repeated": {
			secretsmanager.CreateSecret.Check(&secretsmanager.CreateSecretInput{Name: new("n"), SecretString: new(strings.Repeat("x", 70000))}), "ValidationException",
			"1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536",
		},
		"a missing parameter of EC2": {
			ec2.DeleteVpc.Check(&ec2.DeleteVpcInput{}), "MissingParameter", "The request must contain the parameter vpcId",
		},
		"a missing element of S3": {
			s3.PutBucketTagging.Check(&s3.PutBucketTaggingInput{Bucket: new("b"), Tagging: &s3.Tagging{}}), "MalformedXML",
			"The XML you provided was not well-formed or did not validate against our published schema",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.got == nil {
				t.Fatal("accepted")
			}
			if tc.got.Code != tc.code || tc.got.Message != tc.want {
				t.Fatalf("got  %s: %s\nwant %s: %s", tc.got.Code, tc.got.Message, tc.code, tc.want)
			}
		})
	}
}

func TestAGoodInputIsAccepted(t *testing.T) {
	t.Parallel()
	if e := codebuild.StartBuild.Check(&codebuild.StartBuildInput{ProjectName: new("web")}); e != nil {
		t.Fatal(e)
	}
	if e := s3.HeadObject.Check(&s3.HeadObjectInput{Bucket: new("b"), Key: new("k")}); e != nil {
		t.Fatal(e)
	}
}
