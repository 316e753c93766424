package identity

import "github.com/penstock-ci/penstock/internal/op"

// Question is what dispatch asks about a caller.
type Question struct {
	Caller   op.Caller
	Action   string // "codebuild:StartBuild"
	Resource string // an ARN or "*"
	// Context holds the condition keys that the request brings, such as
	// aws:RequestTag/team or iam:PassedToService.
	Context map[string][]string
	// Described are keys that take a read, such as the resource's tags. They are read
	// only where a policy asks for one.
	Described []op.Described
	// ResourcePolicy is the policy attached to the resource, "" for none.
	ResourcePolicy string
}

// Refusal is who lacks what, and why in AWS's words:
// "because no identity-based policy allows the X action". It is mostly the
// question's caller; where a service may not act with a role it is the service.
type Refusal struct{ Principal, Action, Resource, Reason string }

// String is AWS's sentence.
func (f Refusal) String() string {
	return "User: " + f.Principal + " is not authorized to perform: " + f.Action + " on resource: " + f.Resource + " " + f.Reason
}
