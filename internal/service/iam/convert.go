package iam

import (
	"maps"
	"slices"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
)

func showRole(r identity.Role) *api.Role {
	return &api.Role{
		Path: new(r.Path), RoleName: new(r.Name), RoleId: new(r.ID), Arn: new(r.ARN()), CreateDate: op.At(r.Created),
		AssumeRolePolicyDocument: new(encode(r.Trust)), Description: op.Opt(r.Description), MaxSessionDuration: new(int32(r.MaxSession)),
		PermissionsBoundary: showBoundary(r.Boundary), Tags: showTags(r.Tags), RoleLastUsed: &api.RoleLastUsed{},
	}
}

func showUser(u identity.User) *api.User {
	return &api.User{
		Path: new(u.Path), UserName: new(u.Name), UserId: new(u.ID), Arn: new(u.ARN()), CreateDate: op.At(u.Created),
		PermissionsBoundary: showBoundary(u.Boundary), Tags: showTags(u.Tags),
	}
}

func showGroup(g identity.Group) *api.Group {
	return &api.Group{Path: new(g.Path), GroupName: new(g.Name), GroupId: new(g.ID), Arn: new(g.ARN()), CreateDate: op.At(g.Created)}
}

func showBoundary(policyARN string) *api.AttachedPermissionsBoundary {
	if policyARN == "" {
		return nil
	}
	return &api.AttachedPermissionsBoundary{PermissionsBoundaryType: new("Policy"), PermissionsBoundaryArn: &policyARN}
}

func showTags(tags map[string]string) []api.Tag {
	var out []api.Tag
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, api.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}

func showPolicy(p identity.Policy, attached, boundaries int) *api.Policy {
	return &api.Policy{
		PolicyName: new(p.Name), PolicyId: new(p.ID), Arn: new(p.ARN()), Path: new(p.Path), DefaultVersionId: new(p.Default),
		AttachmentCount: new(int32(attached)), PermissionsBoundaryUsageCount: new(int32(boundaries)), IsAttachable: new(true),
		Description: op.Opt(p.Description), CreateDate: op.At(p.Created), UpdateDate: op.At(p.Updated), Tags: showTags(p.Tags),
	}
}

func showVersion(p identity.Policy, v identity.PolicyVersion) *api.PolicyVersion {
	return &api.PolicyVersion{Document: new(encode(v.Document)), VersionId: new(v.ID), IsDefaultVersion: new(v.ID == p.Default), CreateDate: op.At(v.Created)}
}
