package op

import (
	"net/netip"
	"strings"

	"github.com/penstock-ci/penstock/internal/store"
)

// Caller is who asks, in which account and region. Key makes an internal change
// exactly-once: its receipt is stored in the change's own transaction. It is
// empty from outside.
type Caller struct {
	store.Scope
	ARN         string // arn:aws:iam::A:root, …:user/x, or arn:aws:sts::A:assumed-role/ROLE/SESSION
	PrincipalID string // what sts:GetCallerIdentity calls UserId
	AccessKeyID string
	Session     *Session // of temporary credentials, nil for long-lived keys
	Service     string   // "codepipeline.amazonaws.com" when a service acts with a role
	Source      string   // ARN of the resource for whose sake Service acts, "" where that is not known
	Key         string
	RequestID   string
	Origin      Origin
}

// Session is what temporary credentials carry.
type Session struct {
	RoleARN  string            // the role itself, arn:aws:iam::A:role/[path/]ROLE
	Policies []string          // session policy documents, each of which must allow
	Tags     map[string]string // session tags
	IssuedAt int64             // unix seconds: revocation by issue time
}

// Origin is where the request came from.
type Origin struct {
	Address   netip.Addr
	VPC       string // id of the VPC whose namespace it left, "" outside
	UserAgent string
	TLS       bool
}

// As is the caller that a service becomes when it acts with a role: the ARN of
// the assumed role's session. role is an arn:aws:iam::A:role/[path/]NAME.
func As(scope store.Scope, role, session, service, key string) Caller {
	account := scope.Account
	if p := strings.SplitN(role, ":", 6); len(p) == 6 {
		account = p[4]
	}
	name := role[strings.LastIndexByte(role, '/')+1:]
	return Caller{
		Scope:   store.Scope{Account: account, Region: scope.Region},
		ARN:     "arn:aws:sts::" + account + ":assumed-role/" + name + "/" + session,
		Session: &Session{RoleARN: role},
		Service: service,
		Key:     key,
	}
}

// For tells for whose sake the service acts: the ARN of a project, a pipeline, a
// rule. Trust policies and resource policies ask for it as aws:SourceArn.
func (c Caller) For(source string) Caller {
	c.Source = source
	return c
}

// ServiceLinked is the ARN of a service-linked role, such as
// ServiceLinked("…", "ecs.amazonaws.com", "AWSServiceRoleForECS"). Such a role
// exists from its first use by the service on.
func ServiceLinked(account, service, name string) string {
	return "arn:aws:iam::" + account + ":role/aws-service-role/" + service + "/" + name
}
