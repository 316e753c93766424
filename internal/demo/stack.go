package demo

import (
	"context"
	"fmt"
)

// Names of the stack of examples/core-app; the README's aws commands use the same.
const (
	name       = "core-app"
	secretName = name + "/database"
	dbUser     = "app"
	dbName     = "app"
	port       = 8080
)

// Stack is what was made, by the ids that AWS's API gave.
type Stack struct {
	aws *Clients
	env Env

	vpc                       string
	public, private, database []string
	balancerGroup, appGroup   string
	databaseGroup             string

	bucket                           string
	pipelineRole, buildRole          string
	executionRole, eventRole         string
	secret, repositoryURI            string
	databaseAddress                  string
	balancer, balancerDNS, targets   string
	cluster, pipeline, cloneURL, log string
}

// NewStack makes the stack of examples/core-app. told hears of each part once it is
// made.
func NewStack(ctx context.Context, aws *Clients, env Env, told func(part string)) (*Stack, error) {
	s := &Stack{aws: aws, env: env}
	for _, part := range s.steps() {
		if err := part.do(ctx); err != nil {
			return nil, err
		}
		told(part.says)
	}
	return s, nil
}

// step is one part of the stack, with what it tells the reader.
type step struct {
	says string
	do   func(context.Context) error
}

// steps are in the order in which one needs the other. The database comes early:
// it is ready by the time that the others are made.
func (s *Stack) steps() []step {
	return []step{
		{"VPC 10.10.0.0/16: six subnets, internet gateway, NAT gateway, routes", s.makeNetwork},
		{"security groups: load balancer ← world, tasks and builds ← load balancer, database ← tasks and builds", s.makeGroups},
		{"PostgreSQL in the database subnets, connection string in a secret", s.makeDatabase},
		{"roles with least privilege for pipeline, build, task execution, event rule", s.makeRoles},
		{"repositories: CodeCommit and ECR; artifact bucket; log group", s.makeRepositories},
		{"load balancer, target group with health check, listener", s.makeBalancer},
		{"ECS cluster, task definition, service in the private subnets", s.makeService},
		{"CodeBuild project in the private subnets, pipeline Source → Build → Deploy, rule for pushes", s.makePipeline},
		{"the database and the load balancer are available", s.await},
	}
}

func wrap(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(doing+": %w", append(args, err)...)
}
