package iam

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	managedMax = 6144 // characters of a managed policy
	versionMax = 5
)

func (s *Service) createPolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreatePolicyInput) (*api.CreatePolicyOutput, error) {
	way, err := path(in.Path)
	if err != nil {
		return nil, err
	}
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	now := s.Clock.Now()
	seed := ""
	if c.Key != "" {
		seed = c.Key + *in.PolicyName
	}
	p := identity.Policy{
		Name: *in.PolicyName, Path: way, ID: ids.Unique("ANPA", seed), Account: c.Account, Description: op.Val(in.Description),
		Versions: []identity.PolicyVersion{{ID: "v1", Document: *in.PolicyDocument, Created: now}}, Default: "v1", Next: 2, Created: now, Updated: now,
	}
	if p.Tags, err = tagMap(nil, in.Tags); err != nil {
		return nil, err
	}
	_, err = s.Records.Policies.Put(ctx, tx, identity.In(c.Account), identity.Key(p.Name), p, 0)
	if errors.Is(err, store.ErrVersion) {
		return nil, api.EntityAlreadyExistsException("A policy called %s already exists. Duplicate names are not allowed.", p.Name)
	}
	return &api.CreatePolicyOutput{Policy: showPolicy(p, 0, 0)}, err
}

func checkManaged(document string) error {
	if _, err := checkDocument(policy.Identity, document); err != nil {
		return err
	}
	if size(document) > managedMax {
		return api.LimitExceededException("Cannot exceed quota for PolicySize: %d", managedMax)
	}
	return nil
}

// policy finds a customer managed policy of the account, or one of AWS's as if it were a record.
func (s *Service) policy(ctx context.Context, r store.Reader, account, policyARN string) (store.Doc[identity.Policy], error) {
	missing := api.NoSuchEntityException("Policy %s was not found.", policyARN)
	if name, ok := identity.ManagedName(policyARN); ok {
		m, known := identity.Managed(name)
		if !known {
			return store.Doc[identity.Policy]{}, missing
		}
		return store.Doc[identity.Policy]{Value: managedRecord(m)}, nil
	}
	id, ok := arn.Parse(policyARN)
	if !ok {
		return store.Doc[identity.Policy]{}, invalid("ARN " + policyARN + " is not valid.")
	}
	d, err := s.Records.Policies.Get(ctx, r, identity.In(account), identity.Key(id.Name()))
	if errors.Is(err, store.ErrNotFound) || err == nil && d.Value.ARN() != policyARN {
		return d, missing
	}
	return d, err
}

// shipped is the date that AWS's policies carry here; theirs differ by policy and mean nothing to us.
var shipped = time.Date(2015, 2, 6, 18, 40, 0, 0, time.UTC)

func managedRecord(m identity.ManagedPolicy) identity.Policy {
	return identity.Policy{
		Name: m.Name, Path: m.Path, ID: ids.Unique("ANPA", m.Name), Account: "aws", Default: "v1", Created: shipped, Updated: shipped,
		Versions: []identity.PolicyVersion{{ID: "v1", Document: m.Document, Created: shipped}},
	}
}

// ownPolicy is policy for a change: AWS's are nobody's to change.
func (s *Service) ownPolicy(ctx context.Context, r store.Reader, c op.Caller, policyARN string) (store.Doc[identity.Policy], error) {
	if _, ok := identity.ManagedName(policyARN); ok {
		return store.Doc[identity.Policy]{}, &op.Error{Code: "AccessDenied", Status: 403, Message: "User: " + c.ARN + " is not authorized to change " + policyARN + ": it is a policy of AWS."}
	}
	return s.policy(ctx, r, c.Account, policyARN)
}

func (s *Service) getPolicy(ctx context.Context, r store.Reader, c op.Caller, in *api.GetPolicyInput) (*api.GetPolicyOutput, error) {
	d, err := s.policy(ctx, r, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	u, err := s.uses(ctx, r, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &api.GetPolicyOutput{Policy: showPolicy(d.Value, u.attached(), u.boundaries())}, nil
}

func (s *Service) listPolicies(ctx context.Context, r store.Reader, c op.Caller, in *api.ListPoliciesInput) (*api.ListPoliciesOutput, error) {
	var all []identity.Policy
	if op.Val(in.Scope) != api.PolicyScopeTypeAws {
		docs, err := s.Records.Policies.List(ctx, r, identity.In(c.Account), store.Query{})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			all = append(all, d.Value)
		}
	}
	if op.Val(in.Scope) != api.PolicyScopeTypeLocal {
		for _, m := range identity.ManagedPolicies() {
			all = append(all, managedRecord(m))
		}
	}
	counts, err := s.useCounts(ctx, r, c.Account)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p identity.Policy) bool {
		n := counts[p.ARN()]
		return !strings.HasPrefix(p.Path, op.Val(in.PathPrefix)) || op.Val(in.OnlyAttached) && n[0] == 0 ||
			op.Val(in.PolicyUsageFilter) == api.PolicyUsageTypePermissionsBoundary && n[1] == 0
	})
	slices.SortFunc(all, func(a, b identity.Policy) int { return strings.Compare(a.ARN(), b.ARN()) })
	out := &api.ListPoliciesOutput{Policies: []api.Policy{}}
	all, out.IsTruncated, out.Marker = page(all, identity.Policy.ARN, in.Marker, in.MaxItems)
	for _, p := range all {
		shown := showPolicy(p, counts[p.ARN()][0], counts[p.ARN()][1])
		shown.Tags, shown.Description = nil, nil // lists leave them out
		out.Policies = append(out.Policies, *shown)
	}
	return out, nil
}

func (s *Service) deletePolicy(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeletePolicyInput) (*api.DeletePolicyOutput, error) {
	d, err := s.ownPolicy(ctx, tx, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	u, err := s.uses(ctx, tx, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if u.attached() > 0 {
		return nil, api.DeleteConflictException("Cannot delete a policy attached to entities.")
	}
	if len(d.Value.Versions) > 1 {
		return nil, api.DeleteConflictException("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	return &api.DeletePolicyOutput{}, s.Records.Policies.Delete(ctx, tx, d.Scope, d.Key, d.Version)
}
