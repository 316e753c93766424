package iam

import (
	"context"
	"slices"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// use is who holds one managed policy: attached, or as a boundary.
type use struct {
	users, boundUsers []identity.User
	roles, boundRoles []identity.Role
	groups            []identity.Group
}

func (u use) attached() int   { return len(u.users) + len(u.roles) + len(u.groups) }
func (u use) boundaries() int { return len(u.boundUsers) + len(u.boundRoles) }

// holders reads everybody of an account. It is a scan: an account's users,
// groups and roles are hundreds, and only listings of policies ask.
func (s *Service) holders(ctx context.Context, r store.Reader, account string) (us []identity.User, gs []identity.Group, rs []identity.Role, err error) {
	if us, err = s.users.list(ctx, r, account, ""); err != nil {
		return
	}
	if gs, err = s.groups.list(ctx, r, account, ""); err != nil {
		return
	}
	rs, err = s.roles.list(ctx, r, account, "")
	return
}

func (s *Service) uses(ctx context.Context, r store.Reader, account, policyARN string) (use, error) {
	var u use
	users, groups, roles, err := s.holders(ctx, r, account)
	if err != nil {
		return u, err
	}
	for _, v := range users {
		if slices.Contains(v.Attached, policyARN) {
			u.users = append(u.users, v)
		}
		if v.Boundary == policyARN {
			u.boundUsers = append(u.boundUsers, v)
		}
	}
	for _, v := range roles {
		if slices.Contains(v.Attached, policyARN) {
			u.roles = append(u.roles, v)
		}
		if v.Boundary == policyARN {
			u.boundRoles = append(u.boundRoles, v)
		}
	}
	for _, v := range groups {
		if slices.Contains(v.Attached, policyARN) {
			u.groups = append(u.groups, v)
		}
	}
	return u, nil
}

// useCounts is, by policy, how many it is attached to and how many it bounds.
func (s *Service) useCounts(ctx context.Context, r store.Reader, account string) (map[string][2]int, error) {
	users, groups, roles, err := s.holders(ctx, r, account)
	counts := map[string][2]int{}
	count := func(p identity.Principal) {
		for _, a := range p.Attached {
			n := counts[a]
			n[0]++
			counts[a] = n
		}
		n := counts[p.Boundary]
		n[1]++
		counts[p.Boundary] = n
	}
	for _, v := range users {
		count(v.Principal)
	}
	for _, v := range groups {
		count(v.Principal)
	}
	for _, v := range roles {
		count(v.Principal)
	}
	return counts, err
}

func (s *Service) listEntitiesForPolicy(ctx context.Context, r store.Reader, c op.Caller, in *api.ListEntitiesForPolicyInput) (*api.ListEntitiesForPolicyOutput, error) {
	if _, err := s.policy(ctx, r, c.Account, *in.PolicyArn); err != nil {
		return nil, err
	}
	u, err := s.uses(ctx, r, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if op.Val(in.PolicyUsageFilter) == api.PolicyUsageTypePermissionsBoundary {
		u = use{users: u.boundUsers, roles: u.boundRoles}
	}
	filter := op.Val(in.EntityFilter)
	out := &api.ListEntitiesForPolicyOutput{PolicyGroups: []api.PolicyGroup{}, PolicyUsers: []api.PolicyUser{}, PolicyRoles: []api.PolicyRole{}, IsTruncated: new(false)}
	if filter == "" || filter == "User" {
		for _, v := range u.users {
			out.PolicyUsers = append(out.PolicyUsers, api.PolicyUser{UserName: new(v.Name), UserId: new(v.ID)})
		}
	}
	if filter == "" || filter == "Role" {
		for _, v := range u.roles {
			out.PolicyRoles = append(out.PolicyRoles, api.PolicyRole{RoleName: new(v.Name), RoleId: new(v.ID)})
		}
	}
	if filter == "" || filter == "Group" {
		for _, v := range u.groups {
			out.PolicyGroups = append(out.PolicyGroups, api.PolicyGroup{GroupName: new(v.Name), GroupId: new(v.ID)})
		}
	}
	return out, nil
}
