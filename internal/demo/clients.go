package demo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	events "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Env is how a client reaches the server: what penstock env prints.
type Env struct {
	Endpoint, AccessKeyID, SecretAccessKey, Region, Account string
	SessionToken                                            string // of temporary credentials
}

// Clients are the official SDK's, one for each service of the stack.
type Clients struct {
	EC2      *ec2.Client
	RDS      *rds.Client
	Secrets  *secretsmanager.Client
	ECR      *ecr.Client
	IAM      *iam.Client
	ECS      *ecs.Client
	ELB      *elb.Client
	Commit   *codecommit.Client
	Build    *codebuild.Client
	Pipeline *codepipeline.Client
	Logs     *logs.Client
	S3       *s3.Client
	Events   *events.Client
}

// Connect makes the clients as any program on this host would.
func Connect(ctx context.Context, env Env) (*Clients, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(env.Region),
		config.WithBaseEndpoint(env.Endpoint),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(env.AccessKeyID, env.SecretAccessKey, env.SessionToken)),
		// A server that is killed in the middle is back within seconds.
		config.WithRetryMaxAttempts(8),
	)
	if err != nil {
		return nil, fmt.Errorf("make the AWS clients: %w", err)
	}
	return newClients(cfg), nil
}

func newClients(cfg aws.Config) *Clients {
	return &Clients{
		EC2: ec2.NewFromConfig(cfg), RDS: rds.NewFromConfig(cfg), Secrets: secretsmanager.NewFromConfig(cfg),
		ECR: ecr.NewFromConfig(cfg), IAM: iam.NewFromConfig(cfg), ECS: ecs.NewFromConfig(cfg), ELB: elb.NewFromConfig(cfg),
		Commit: codecommit.NewFromConfig(cfg), Build: codebuild.NewFromConfig(cfg), Pipeline: codepipeline.NewFromConfig(cfg),
		Logs: logs.NewFromConfig(cfg), S3: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		Events: events.NewFromConfig(cfg),
	}
}
