package iam

import (
	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.AddRoleToInstanceProfile, func(c op.Caller, in *api.AddRoleToInstanceProfileInput) []string {
			return entity(c, "instance-profile", in.InstanceProfileName)
		}, s.addRoleToInstanceProfile),
		op.Change(api.AddUserToGroup, func(c op.Caller, in *api.AddUserToGroupInput) []string { return entity(c, "group", in.GroupName) }, s.addUserToGroup),
		op.Change(api.AttachGroupPolicy, func(c op.Caller, in *api.AttachGroupPolicyInput) []string { return entity(c, "group", in.GroupName) }, s.attachGroupPolicy).
			With(op.KeyMember("iam:PolicyARN", func(in *api.AttachGroupPolicyInput) *string { return in.PolicyArn })),
		op.Change(api.AttachRolePolicy, func(c op.Caller, in *api.AttachRolePolicyInput) []string { return entity(c, "role", in.RoleName) }, s.attachRolePolicy).
			With(op.KeyMember("iam:PolicyARN", func(in *api.AttachRolePolicyInput) *string { return in.PolicyArn })),
		op.Change(api.AttachUserPolicy, func(c op.Caller, in *api.AttachUserPolicyInput) []string { return entity(c, "user", in.UserName) }, s.attachUserPolicy).
			With(op.KeyMember("iam:PolicyARN", func(in *api.AttachUserPolicyInput) *string { return in.PolicyArn })),
		op.Change(api.CreateAccessKey, func(c op.Caller, in *api.CreateAccessKeyInput) []string { return entity(c, "user", in.UserName) }, s.createAccessKey),
		op.Change(api.CreateGroup, func(c op.Caller, in *api.CreateGroupInput) []string { return entity(c, "group", in.GroupName) }, s.createGroup),
		op.Change(api.CreateInstanceProfile, func(c op.Caller, in *api.CreateInstanceProfileInput) []string {
			return entity(c, "instance-profile", in.InstanceProfileName)
		}, s.createInstanceProfile),
		op.Change(api.CreatePolicy, func(c op.Caller, in *api.CreatePolicyInput) []string { return entity(c, "policy", in.PolicyName) }, s.createPolicy),
		op.Change(api.CreatePolicyVersion, func(_ op.Caller, in *api.CreatePolicyVersionInput) []string { return []string{op.Val(in.PolicyArn)} }, s.createPolicyVersion),
		op.Change(api.CreateRole, func(c op.Caller, in *api.CreateRoleInput) []string { return entity(c, "role", in.RoleName) }, s.createRole).
			With(op.KeyMember("iam:PermissionsBoundary", func(in *api.CreateRoleInput) *string { return in.PermissionsBoundary })),
		op.Change(api.CreateServiceLinkedRole, linkedARN, s.createServiceLinkedRole).
			With(op.KeyMember("iam:AWSServiceName", func(in *api.CreateServiceLinkedRoleInput) *string { return in.AWSServiceName })),
		op.Change(api.CreateServiceSpecificCredential, func(c op.Caller, in *api.CreateServiceSpecificCredentialInput) []string {
			return entity(c, "user", in.UserName)
		}, s.createServiceSpecificCredential),
		op.Change(api.CreateUser, func(c op.Caller, in *api.CreateUserInput) []string { return entity(c, "user", in.UserName) }, s.createUser).
			With(op.KeyMember("iam:PermissionsBoundary", func(in *api.CreateUserInput) *string { return in.PermissionsBoundary })),
		op.Change(api.DeleteAccessKey, func(c op.Caller, in *api.DeleteAccessKeyInput) []string { return entity(c, "user", in.UserName) }, s.deleteAccessKey),
		op.Change(api.DeleteGroup, func(c op.Caller, in *api.DeleteGroupInput) []string { return entity(c, "group", in.GroupName) }, s.deleteGroup),
		op.Change(api.DeleteGroupPolicy, func(c op.Caller, in *api.DeleteGroupPolicyInput) []string { return entity(c, "group", in.GroupName) }, s.deleteGroupPolicy),
		op.Change(api.DeleteInstanceProfile, func(c op.Caller, in *api.DeleteInstanceProfileInput) []string {
			return entity(c, "instance-profile", in.InstanceProfileName)
		}, s.deleteInstanceProfile),
		op.Change(api.DeleteLoginProfile, func(c op.Caller, in *api.DeleteLoginProfileInput) []string { return entity(c, "user", in.UserName) }, s.deleteLoginProfile),
		op.Change(api.DeletePolicy, func(_ op.Caller, in *api.DeletePolicyInput) []string { return []string{op.Val(in.PolicyArn)} }, s.deletePolicy),
		op.Change(api.DeletePolicyVersion, func(_ op.Caller, in *api.DeletePolicyVersionInput) []string { return []string{op.Val(in.PolicyArn)} }, s.deletePolicyVersion),
		op.Change(api.DeleteRole, func(c op.Caller, in *api.DeleteRoleInput) []string { return entity(c, "role", in.RoleName) }, s.deleteRole),
		op.Change(api.DeleteRolePermissionsBoundary, func(c op.Caller, in *api.DeleteRolePermissionsBoundaryInput) []string {
			return entity(c, "role", in.RoleName)
		}, s.deleteRolePermissionsBoundary),
		op.Change(api.DeleteRolePolicy, func(c op.Caller, in *api.DeleteRolePolicyInput) []string { return entity(c, "role", in.RoleName) }, s.deleteRolePolicy),
		op.Change(api.DeleteServiceLinkedRole, func(c op.Caller, in *api.DeleteServiceLinkedRoleInput) []string {
			return entity(c, "role", in.RoleName)
		}, s.deleteServiceLinkedRole),
		op.Change(api.DeleteServiceSpecificCredential, func(c op.Caller, in *api.DeleteServiceSpecificCredentialInput) []string {
			return entity(c, "user", in.UserName)
		}, s.deleteServiceSpecificCredential),
		op.Change(api.DeleteUser, func(c op.Caller, in *api.DeleteUserInput) []string { return entity(c, "user", in.UserName) }, s.deleteUser),
		op.Change(api.DeleteUserPermissionsBoundary, func(c op.Caller, in *api.DeleteUserPermissionsBoundaryInput) []string {
			return entity(c, "user", in.UserName)
		}, s.deleteUserPermissionsBoundary),
		op.Change(api.DeleteUserPolicy, func(c op.Caller, in *api.DeleteUserPolicyInput) []string { return entity(c, "user", in.UserName) }, s.deleteUserPolicy),
		op.Change(api.DetachGroupPolicy, func(c op.Caller, in *api.DetachGroupPolicyInput) []string { return entity(c, "group", in.GroupName) }, s.detachGroupPolicy).
			With(op.KeyMember("iam:PolicyARN", func(in *api.DetachGroupPolicyInput) *string { return in.PolicyArn })),
		op.Change(api.DetachRolePolicy, func(c op.Caller, in *api.DetachRolePolicyInput) []string { return entity(c, "role", in.RoleName) }, s.detachRolePolicy).
			With(op.KeyMember("iam:PolicyARN", func(in *api.DetachRolePolicyInput) *string { return in.PolicyArn })),
		op.Change(api.DetachUserPolicy, func(c op.Caller, in *api.DetachUserPolicyInput) []string { return entity(c, "user", in.UserName) }, s.detachUserPolicy).
			With(op.KeyMember("iam:PolicyARN", func(in *api.DetachUserPolicyInput) *string { return in.PolicyArn })),
		op.Read(api.GetAccessKeyLastUsed, nil, s.getAccessKeyLastUsed),
		op.Read(api.GetAccountSummary, nil, s.getAccountSummary),
		op.Read(api.GetGroup, func(c op.Caller, in *api.GetGroupInput) []string { return entity(c, "group", in.GroupName) }, s.getGroup),
		op.Read(api.GetGroupPolicy, func(c op.Caller, in *api.GetGroupPolicyInput) []string { return entity(c, "group", in.GroupName) }, s.getGroupPolicy),
		op.Read(api.GetInstanceProfile, func(c op.Caller, in *api.GetInstanceProfileInput) []string {
			return entity(c, "instance-profile", in.InstanceProfileName)
		}, s.getInstanceProfile),
		op.Read(api.GetLoginProfile, func(c op.Caller, in *api.GetLoginProfileInput) []string { return entity(c, "user", in.UserName) }, s.getLoginProfile),
		op.Read(api.GetPolicy, func(_ op.Caller, in *api.GetPolicyInput) []string { return []string{op.Val(in.PolicyArn)} }, s.getPolicy),
		op.Read(api.GetPolicyVersion, func(_ op.Caller, in *api.GetPolicyVersionInput) []string { return []string{op.Val(in.PolicyArn)} }, s.getPolicyVersion),
		op.Read(api.GetRole, func(c op.Caller, in *api.GetRoleInput) []string { return entity(c, "role", in.RoleName) }, s.getRole),
		op.Read(api.GetRolePolicy, func(c op.Caller, in *api.GetRolePolicyInput) []string { return entity(c, "role", in.RoleName) }, s.getRolePolicy),
		op.Read(api.GetServiceLinkedRoleDeletionStatus, nil, s.getServiceLinkedRoleDeletionStatus),
		op.Read(api.GetUser, func(c op.Caller, in *api.GetUserInput) []string { return entity(c, "user", in.UserName) }, s.getUser),
		op.Read(api.GetUserPolicy, func(c op.Caller, in *api.GetUserPolicyInput) []string { return entity(c, "user", in.UserName) }, s.getUserPolicy),
		op.Read(api.ListAccessKeys, func(c op.Caller, in *api.ListAccessKeysInput) []string { return entity(c, "user", in.UserName) }, s.listAccessKeys),
		op.Read(api.ListAccountAliases, nil, s.listAccountAliases),
		op.Read(api.ListAttachedGroupPolicies, func(c op.Caller, in *api.ListAttachedGroupPoliciesInput) []string {
			return entity(c, "group", in.GroupName)
		}, s.listAttachedGroupPolicies),
		op.Read(api.ListAttachedRolePolicies, func(c op.Caller, in *api.ListAttachedRolePoliciesInput) []string {
			return entity(c, "role", in.RoleName)
		}, s.listAttachedRolePolicies),
		op.Read(api.ListAttachedUserPolicies, func(c op.Caller, in *api.ListAttachedUserPoliciesInput) []string {
			return entity(c, "user", in.UserName)
		}, s.listAttachedUserPolicies),
		op.Read(api.ListEntitiesForPolicy, func(_ op.Caller, in *api.ListEntitiesForPolicyInput) []string { return []string{op.Val(in.PolicyArn)} }, s.listEntitiesForPolicy),
		op.Read(api.ListGroupPolicies, func(c op.Caller, in *api.ListGroupPoliciesInput) []string { return entity(c, "group", in.GroupName) }, s.listGroupPolicies),
		op.Read(api.ListGroups, nil, s.listGroups),
		op.Read(api.ListGroupsForUser, func(c op.Caller, in *api.ListGroupsForUserInput) []string { return entity(c, "user", in.UserName) }, s.listGroupsForUser),
		op.Read(api.ListInstanceProfileTags, func(c op.Caller, in *api.ListInstanceProfileTagsInput) []string {
			return entity(c, "instance-profile", in.InstanceProfileName)
		}, s.listInstanceProfileTags),
		op.Read(api.ListInstanceProfiles, nil, s.listInstanceProfiles),
		op.Read(api.ListInstanceProfilesForRole, func(c op.Caller, in *api.ListInstanceProfilesForRoleInput) []string {
			return entity(c, "role", in.RoleName)
		}, s.listInstanceProfilesForRole),
		op.Read(api.ListMFADevices, func(c op.Caller, in *api.ListMFADevicesInput) []string { return entity(c, "user", in.UserName) }, s.listMFADevices),
		op.Read(api.ListOpenIDConnectProviders, nil, s.listOpenIDConnectProviders),
		op.Read(api.ListPolicies, nil, s.listPolicies),
		op.Read(api.ListPolicyTags, func(_ op.Caller, in *api.ListPolicyTagsInput) []string { return []string{op.Val(in.PolicyArn)} }, s.listPolicyTags),
		op.Read(api.ListPolicyVersions, func(_ op.Caller, in *api.ListPolicyVersionsInput) []string { return []string{op.Val(in.PolicyArn)} }, s.listPolicyVersions),
		op.Read(api.ListRolePolicies, func(c op.Caller, in *api.ListRolePoliciesInput) []string { return entity(c, "role", in.RoleName) }, s.listRolePolicies),
		op.Read(api.ListRoleTags, func(c op.Caller, in *api.ListRoleTagsInput) []string { return entity(c, "role", in.RoleName) }, s.listRoleTags),
		op.Read(api.ListRoles, nil, s.listRoles),
		op.Read(api.ListSSHPublicKeys, func(c op.Caller, in *api.ListSSHPublicKeysInput) []string { return entity(c, "user", in.UserName) }, s.listSSHPublicKeys),
		op.Read(api.ListServiceSpecificCredentials, func(c op.Caller, in *api.ListServiceSpecificCredentialsInput) []string {
			return entity(c, "user", in.UserName)
		}, s.listServiceSpecificCredentials),
		op.Read(api.ListSigningCertificates, func(c op.Caller, in *api.ListSigningCertificatesInput) []string {
			return entity(c, "user", in.UserName)
		}, s.listSigningCertificates),
		op.Read(api.ListUserPolicies, func(c op.Caller, in *api.ListUserPoliciesInput) []string { return entity(c, "user", in.UserName) }, s.listUserPolicies),
		op.Read(api.ListUserTags, func(c op.Caller, in *api.ListUserTagsInput) []string { return entity(c, "user", in.UserName) }, s.listUserTags),
		op.Read(api.ListUsers, nil, s.listUsers),
		op.Read(api.ListVirtualMFADevices, nil, s.listVirtualMFADevices),
		op.Change(api.PutGroupPolicy, func(c op.Caller, in *api.PutGroupPolicyInput) []string { return entity(c, "group", in.GroupName) }, s.putGroupPolicy),
		op.Change(api.PutRolePermissionsBoundary, func(c op.Caller, in *api.PutRolePermissionsBoundaryInput) []string {
			return entity(c, "role", in.RoleName)
		}, s.putRolePermissionsBoundary).
			With(op.KeyMember("iam:PermissionsBoundary", func(in *api.PutRolePermissionsBoundaryInput) *string { return in.PermissionsBoundary })),
		op.Change(api.PutRolePolicy, func(c op.Caller, in *api.PutRolePolicyInput) []string { return entity(c, "role", in.RoleName) }, s.putRolePolicy),
		op.Change(api.PutUserPermissionsBoundary, func(c op.Caller, in *api.PutUserPermissionsBoundaryInput) []string {
			return entity(c, "user", in.UserName)
		}, s.putUserPermissionsBoundary).
			With(op.KeyMember("iam:PermissionsBoundary", func(in *api.PutUserPermissionsBoundaryInput) *string { return in.PermissionsBoundary })),
		op.Change(api.PutUserPolicy, func(c op.Caller, in *api.PutUserPolicyInput) []string { return entity(c, "user", in.UserName) }, s.putUserPolicy),
		op.Change(api.RemoveRoleFromInstanceProfile, func(c op.Caller, in *api.RemoveRoleFromInstanceProfileInput) []string {
			return entity(c, "instance-profile", in.InstanceProfileName)
		}, s.removeRoleFromInstanceProfile),
		op.Change(api.RemoveUserFromGroup, func(c op.Caller, in *api.RemoveUserFromGroupInput) []string { return entity(c, "group", in.GroupName) }, s.removeUserFromGroup),
		op.Change(api.ResetServiceSpecificCredential, func(c op.Caller, in *api.ResetServiceSpecificCredentialInput) []string {
			return entity(c, "user", in.UserName)
		}, s.resetServiceSpecificCredential),
		op.Change(api.SetDefaultPolicyVersion, func(_ op.Caller, in *api.SetDefaultPolicyVersionInput) []string {
			return []string{op.Val(in.PolicyArn)}
		}, s.setDefaultPolicyVersion),
		op.Read(api.SimulatePrincipalPolicy, nil, s.simulatePrincipalPolicy),
		op.Change(api.TagInstanceProfile, func(c op.Caller, in *api.TagInstanceProfileInput) []string {
			return entity(c, "instance-profile", in.InstanceProfileName)
		}, s.tagInstanceProfile),
		op.Change(api.TagPolicy, func(_ op.Caller, in *api.TagPolicyInput) []string { return []string{op.Val(in.PolicyArn)} }, s.tagPolicy),
		op.Change(api.TagRole, func(c op.Caller, in *api.TagRoleInput) []string { return entity(c, "role", in.RoleName) }, s.tagRole),
		op.Change(api.TagUser, func(c op.Caller, in *api.TagUserInput) []string { return entity(c, "user", in.UserName) }, s.tagUser),
		op.Change(api.UntagInstanceProfile, func(c op.Caller, in *api.UntagInstanceProfileInput) []string {
			return entity(c, "instance-profile", in.InstanceProfileName)
		}, s.untagInstanceProfile),
		op.Change(api.UntagPolicy, func(_ op.Caller, in *api.UntagPolicyInput) []string { return []string{op.Val(in.PolicyArn)} }, s.untagPolicy),
		op.Change(api.UntagRole, func(c op.Caller, in *api.UntagRoleInput) []string { return entity(c, "role", in.RoleName) }, s.untagRole),
		op.Change(api.UntagUser, func(c op.Caller, in *api.UntagUserInput) []string { return entity(c, "user", in.UserName) }, s.untagUser),
		op.Change(api.UpdateAccessKey, func(c op.Caller, in *api.UpdateAccessKeyInput) []string { return entity(c, "user", in.UserName) }, s.updateAccessKey),
		op.Change(api.UpdateAssumeRolePolicy, func(c op.Caller, in *api.UpdateAssumeRolePolicyInput) []string { return entity(c, "role", in.RoleName) }, s.updateAssumeRolePolicy),
		op.Change(api.UpdateGroup, func(c op.Caller, in *api.UpdateGroupInput) []string { return entity(c, "group", in.GroupName) }, s.updateGroup),
		op.Change(api.UpdateRole, func(c op.Caller, in *api.UpdateRoleInput) []string { return entity(c, "role", in.RoleName) }, s.updateRole),
		op.Change(api.UpdateRoleDescription, func(c op.Caller, in *api.UpdateRoleDescriptionInput) []string { return entity(c, "role", in.RoleName) }, s.updateRoleDescription),
		op.Change(api.UpdateServiceSpecificCredential, func(c op.Caller, in *api.UpdateServiceSpecificCredentialInput) []string {
			return entity(c, "user", in.UserName)
		}, s.updateServiceSpecificCredential),
		op.Change(api.UpdateUser, func(c op.Caller, in *api.UpdateUserInput) []string { return entity(c, "user", in.UserName) }, s.updateUser),
	}
}

// entity is the ARN of a named user, group, role … The path is not known from
// the name: Resolve puts it in.
func entity(c op.Caller, kind string, name *string) []string {
	if name == nil { // the caller itself
		if id, ok := arn.Parse(c.ARN); ok && id.Service == "iam" {
			return []string{c.ARN}
		}
		return nil
	}
	return []string{arn.New("iam", "", c.Account, kind+"/"+*name)}
}
