package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Linked describes a service-linked role that AWS's services have.
type Linked struct {
	Service, Name, Policy, Description string // Policy is the name of AWS's managed policy
}

// linked lists them. They exist in every account without being made; their row,
// which iam shows, appears with the first use.
var linked = []Linked{
	{"ecs.amazonaws.com", "AWSServiceRoleForECS", "aws-service-role/AmazonECSServiceRolePolicy", "Role to enable Amazon ECS to manage your cluster."},
	{"elasticloadbalancing.amazonaws.com", "AWSServiceRoleForElasticLoadBalancing", "aws-service-role/AWSElasticLoadBalancingServiceRolePolicy", "Allows ELB to call AWS services on your behalf."},
	{"rds.amazonaws.com", "AWSServiceRoleForRDS", "aws-service-role/AmazonRDSServiceRolePolicy", "Allows Amazon RDS to manage AWS resources on your behalf"},
	{"ecs.application-autoscaling.amazonaws.com", "AWSServiceRoleForApplicationAutoScaling_ECSService", "aws-service-role/AWSApplicationAutoscalingECSServicePolicy", ""},
	{"autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling", "aws-service-role/AutoScalingServiceRolePolicy", "Default Service-Linked Role enables access to AWS Services and Resources used or managed by Auto Scaling"},
	{"events.amazonaws.com", "AWSServiceRoleForCloudWatchEvents", "aws-service-role/CloudWatchEventsServiceRolePolicy", ""},
	{"codestar-notifications.amazonaws.com", "AWSServiceRoleForCodeStarNotifications", "aws-service-role/AWSCodeStarNotificationsServiceRolePolicy", ""},
	{"replication.ecr.amazonaws.com", "AWSServiceRoleForECRReplication", "aws-service-role/ECRReplicationServiceRolePolicy", ""},
	{"pullthroughcache.ecr.amazonaws.com", "AWSServiceRoleForECRPullThroughCache", "aws-service-role/AWSECRPullThroughCache_ServiceRolePolicy", ""},
	{"elasticbeanstalk.amazonaws.com", "AWSServiceRoleForElasticBeanstalk", "aws-service-role/AWSElasticBeanstalkServiceRolePolicy", ""},
	{"managedupdates.elasticbeanstalk.amazonaws.com", "AWSServiceRoleForElasticBeanstalkManagedUpdates", "aws-service-role/AWSElasticBeanstalkManagedUpdatesServiceRolePolicy", ""},
	{"ec2.amazonaws.com", "AWSServiceRoleForVPCNATGateway", "aws-service-role/AWSNATGatewayServiceRolePolicy", ""},
}

// LinkedRole is the service-linked role of a service, as it stands in account.
func LinkedRole(account, service string) (Role, bool) {
	for _, l := range linked {
		if l.Service == service {
			return l.role(account), true
		}
	}
	return Role{}, false
}

func linkedRole(id arn.ARN) (Role, bool) {
	rest, ok := strings.CutPrefix(id.Resource, "role/aws-service-role/")
	if !ok {
		return Role{}, false
	}
	service, name, _ := strings.Cut(rest, "/")
	for _, l := range linked {
		if l.Service == service && l.Name == name {
			return l.role(id.Account), true
		}
	}
	return Role{}, false
}

func (l Linked) role(account string) Role {
	return Role{
		Principal: Principal{
			Name: l.Name, Path: "/aws-service-role/" + l.Service + "/", Account: account,
			ID:       ids.Unique("AROA", account+l.Name),
			Attached: []string{"arn:aws:iam::aws:policy/" + l.Policy},
		},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + l.Service + `"},"Action":"sts:AssumeRole"}]}`,

		Description: l.Description, MaxSession: defaultSession, LinkedTo: l.Service,
	}
}

const defaultSession = 3600 // seconds, AWS's default of MaxSessionDuration

// Appear makes the row of c's service-linked role, where c acts with one.
func (a *Authority) Appear(ctx context.Context, tx store.Tx, c op.Caller) error {
	if c.Session == nil || !strings.Contains(c.Session.RoleARN, ":role/aws-service-role/") {
		return nil
	}
	id, _ := arn.Parse(c.Session.RoleARN)
	role, ok := linkedRole(id)
	if !ok {
		return nil
	}
	_, err := a.Records.Roles.Get(ctx, tx, In(role.Account), Key(role.Name))
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	role.Created = a.Clock.Now()
	if _, err := a.Records.Roles.Put(ctx, tx, In(role.Account), Key(role.Name), role, 0); err != nil {
		return fmt.Errorf("make role %s: %w", role.Name, err)
	}
	return nil
}
