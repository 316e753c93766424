package iam_test

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/iam"
	stsapi "github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/iam"
)

const (
	readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	power    = "arn:aws:iam::aws:policy/PowerUserAccess"
)

// enforced is w's database behind a dispatcher of its own.
func enforced(t *testing.T, w *world) *dispatchtest.Enforced {
	t.Helper()
	e := dispatchtest.Enforce(t, w.db)
	svc := iam.New(iam.Deps{Records: e.Records, Authority: w.authority, Guard: e, Policies: w.authority, Clock: w.clock})
	e.Serve(t, svc)
	e.Resolved("iam", svc.Resolve)
	return e
}

func TestConditionKeysDecide(t *testing.T) {
	t.Parallel()
	w := setup(t)
	tags := []api.Tag{{Key: new("team"), Value: new("a")}}
	role, user, path := new("app"), new("bob"), new("/service-role/")
	must(w, w.root(), api.CreateRole, &api.CreateRoleInput{RoleName: role, Path: path, AssumeRolePolicyDocument: trusting(`{"AWS":"*"}`), Tags: tags, PermissionsBoundary: new(power)})
	must(w, w.root(), api.CreateUser, &api.CreateUserInput{UserName: user, Path: path, Tags: tags})
	policy := must(w, w.root(), api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: allowing("s3:*", "*"), Tags: tags}).Policy.Arn
	must(w, w.root(), api.CreateInstanceProfile, &api.CreateInstanceProfileInput{InstanceProfileName: new("ip"), Tags: tags})

	e := enforced(t, w)
	getRole := dispatchtest.Asking(t, e, api.GetRole, &api.GetRoleInput{RoleName: role})
	getUser := dispatchtest.Asking(t, e, api.GetUser, &api.GetUserInput{UserName: user})
	attach := dispatchtest.Asking(t, e, api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: role, PolicyArn: new(readOnly)})
	for _, key := range []string{"aws:ResourceTag/team", "iam:ResourceTag/team"} {
		e.Decides(t, key, "a", getRole)
		e.Decides(t, key, "a", getUser)
	}
	e.Decides(t, "aws:ResourceTag/team", "a", dispatchtest.Asking(t, e, api.GetPolicy, &api.GetPolicyInput{PolicyArn: policy}))
	e.Decides(t, "aws:ResourceTag/team", "a", dispatchtest.Asking(t, e, api.GetInstanceProfile, &api.GetInstanceProfileInput{InstanceProfileName: new("ip")}))
	e.Decides(t, "iam:PolicyARN", readOnly, attach)
	e.Decides(t, "iam:PolicyARN", readOnly, dispatchtest.Asking(t, e, api.AttachUserPolicy, &api.AttachUserPolicyInput{UserName: user, PolicyArn: new(readOnly)}))
	// The boundary that a role has, and the one that it is to have.
	e.Decides(t, "iam:PermissionsBoundary", power, attach)
	e.Decides(t, "iam:PermissionsBoundary", power, dispatchtest.Asking(t, e, api.PutRolePolicy, &api.PutRolePolicyInput{RoleName: role, PolicyName: new("in"), PolicyDocument: allowing("s3:*", "*")}))
	e.Decides(t, "iam:PermissionsBoundary", readOnly, dispatchtest.Asking(t, e, api.PutRolePermissionsBoundary, &api.PutRolePermissionsBoundaryInput{RoleName: role, PermissionsBoundary: new(readOnly)}))
	for _, boundary := range []*string{nil, new(readOnly)} {
		bounded := e.May(t, `{"Effect":"Allow","Action":"iam:CreateRole","Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"`+readOnly+`"}}}`)
		err := dispatchtest.Asking(t, e, api.CreateRole, &api.CreateRoleInput{RoleName: new("made"), AssumeRolePolicyDocument: trusting(`{"AWS":"*"}`), PermissionsBoundary: boundary})(bounded)
		if dispatchtest.IsDenied(err) != (boundary == nil) || boundary != nil && err != nil {
			t.Errorf("a role with the boundary %s: got %v", op.Val(boundary), err)
		}
	}
}

func TestTagsOfARoleDecideWhoTakesIt(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w, w.root(), api.CreateRole, &api.CreateRoleInput{RoleName: new("app"), AssumeRolePolicyDocument: trusting(`{"AWS":"arn:aws:iam::` + account + `:root"}`), Tags: []api.Tag{{Key: new("team"), Value: new("a")}}})
	role := "arn:aws:iam::" + account + ":role/app"
	for name, team := range map[string]string{"same": "a", "other": "b"} {
		c := w.user(name, "", "")
		must(w, w.root(), api.PutUserPolicy, &api.PutUserPolicyInput{UserName: &name, PolicyName: new("p"), PolicyDocument: new(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringEquals":{"iam:ResourceTag/team":"` + team + `"}}}]}`)})
		_, err := op.Call(t.Context(), w, c, stsapi.AssumeRole, &stsapi.AssumeRoleInput{RoleArn: &role, RoleSessionName: new("session")})
		if (err == nil) != (team == "a") {
			t.Errorf("a user for team %s takes the role of team a: %v", team, err)
		}
	}
}

func TestTrustMayNameForWhoseSakeAServiceActs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w, w.root(), api.CreateRole, &api.CreateRoleInput{RoleName: new("build"), AssumeRolePolicyDocument: new(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"sts:AssumeRole",` +
			`"Condition":{"StringEquals":{"aws:SourceAccount":"` + account + `"},"ArnLike":{"aws:SourceArn":"arn:aws:codebuild:*:*:project/app-*"}}}}`)})
	w.allow("build", "codebuild:*", "*")
	as := op.As(w.root().Scope, "arn:aws:iam::"+account+":role/build", "run", "codebuild.amazonaws.com", "")
	for source, allowed := range map[string]bool{
		"": true, // nobody's yet, as when a project is made
		"arn:aws:codebuild:us-east-1:" + account + ":project/app-web": true,
		"arn:aws:codebuild:us-east-1:" + account + ":project/other":   false,
		"arn:aws:codebuild:us-east-1:200000000002:project/app-web":    false,
	} {
		_, err := op.Call(t.Context(), w, as.For(source), startBuild, &startInput{"app"})
		if (err == nil) != allowed {
			t.Errorf("for %q: got %v, want it allowed to be %t", source, err, allowed)
		}
	}
}
