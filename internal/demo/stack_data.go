package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

const (
	// waiterDelay replaces the SDK's 15 to 30 seconds: this server is next door.
	waiterDelay = 500 * time.Millisecond
	// patience is above the slowest first start of a database on two busy cores.
	patience = 5 * time.Minute
)

func (s *Stack) makeDatabase(ctx context.Context) error {
	if _, err := s.aws.RDS.CreateDBSubnetGroup(ctx, &rds.CreateDBSubnetGroupInput{DBSubnetGroupName: new(name), DBSubnetGroupDescription: new("core-app"), SubnetIds: s.database}); err != nil {
		return wrap(err, "create the DB subnet group")
	}
	password := rand.Text()
	_, err := s.aws.RDS.CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: new(name), DBInstanceClass: new("db.t3.micro"), Engine: new("postgres"), AllocatedStorage: new(int32(20)),
		MasterUsername: new(dbUser), MasterUserPassword: &password, DBName: new(dbName),
		DBSubnetGroupName: new(name), VpcSecurityGroupIds: []string{s.databaseGroup},
	})
	if err != nil {
		return wrap(err, "create the database")
	}
	err = rds.NewDBInstanceAvailableWaiter(s.aws.RDS, func(o *rds.DBInstanceAvailableWaiterOptions) { o.MinDelay = waiterDelay }).
		Wait(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new(name)}, patience)
	if err != nil {
		return wrap(err, "wait for the database")
	}
	found, err := s.aws.RDS.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new(name)})
	if err != nil {
		return wrap(err, "describe the database")
	}
	endpoint := found.DBInstances[0].Endpoint
	s.databaseAddress = *endpoint.Address
	secret, err := s.aws.Secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name:         new(secretName),
		SecretString: new(fmt.Sprintf("postgresql://%s:%s@%s:%d/%s", dbUser, password, *endpoint.Address, *endpoint.Port, dbName)),
	})
	if err != nil {
		return wrap(err, "create the secret")
	}
	s.secret = *secret.ARN
	return nil
}

func (s *Stack) makeRepositories(ctx context.Context) error {
	images, err := s.aws.ECR.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: new(name)})
	if err != nil {
		return wrap(err, "create the image repository")
	}
	s.repositoryURI = *images.Repository.RepositoryUri
	source, err := s.aws.Commit.CreateRepository(ctx, &codecommit.CreateRepositoryInput{RepositoryName: new(name)})
	if err != nil {
		return wrap(err, "create the Git repository")
	}
	s.cloneURL = *source.RepositoryMetadata.CloneUrlHttp
	s.bucket = bucketName(s.env)
	if _, err := s.aws.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.bucket}); err != nil {
		return wrap(err, "create the artifact bucket")
	}
	if _, err := s.aws.S3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &s.bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}); err != nil {
		return wrap(err, "enable the bucket's versioning")
	}
	s.log = "/ecs/" + name
	_, err = s.aws.Logs.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: &s.log})
	return wrap(err, "create the log group")
}

func (s *Stack) await(ctx context.Context) error {
	err := elb.NewLoadBalancerAvailableWaiter(s.aws.ELB, func(o *elb.LoadBalancerAvailableWaiterOptions) { o.MinDelay = waiterDelay }).
		Wait(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{s.balancer}}, patience)
	return wrap(err, "wait for the load balancer")
}

func bucketName(env Env) string { return name + "-artifacts-" + env.Account }
