package secretsmanager_test

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/secretsmanager"
)

func TestConditionKeysDecide(t *testing.T) {
	t.Parallel()
	w := setup(t)
	in := create("app/db", "v", token1)
	in.Tags = []api.Tag{{Key: new("team"), Value: new("a")}}
	made := must(w, api.CreateSecret, in)
	name := new("app/db")
	e := dispatchtest.Enforce(t, w.DB)
	deps := w.service.Deps
	deps.Guard = e
	service := secretsmanager.New(deps)
	e.Resolved("secretsmanager", service.Resolve)
	e.Serve(t, service)

	get := func(in api.GetSecretValueInput) func(op.Caller) error {
		in.SecretId = name
		return dispatchtest.Asking(t, e, api.GetSecretValue, &in)
	}
	e.Decides(t, "aws:ResourceTag/team", "a", get(api.GetSecretValueInput{}))
	e.Decides(t, "secretsmanager:ResourceTag/team", "a", get(api.GetSecretValueInput{}))
	e.Decides(t, "secretsmanager:SecretId", *made.ARN, get(api.GetSecretValueInput{}))
	e.Decides(t, "secretsmanager:VersionStage", "AWSCURRENT", get(api.GetSecretValueInput{}))
	e.Decides(t, "secretsmanager:VersionStage", "AWSCURRENT", get(api.GetSecretValueInput{VersionStage: new("AWSCURRENT")}))
	e.Decides(t, "secretsmanager:VersionId", token1, get(api.GetSecretValueInput{VersionId: new(token1)}))
	e.Decides(t, "secretsmanager:VersionStage", "AWSCURRENT", dispatchtest.Asking(t, e, api.UpdateSecretVersionStage, &api.UpdateSecretVersionStageInput{
		SecretId: name, VersionStage: new("AWSCURRENT"), MoveToVersionId: new(token1),
	}))
	again := create("app/db2", "v", token1) // the same token and value: what is made once is there each time
	again.Description = new("of the app")
	for key, value := range map[string]string{"secretsmanager:Name": "app/db2", "secretsmanager:Description": "of the app"} {
		e.Decides(t, key, value, func(c op.Caller) error {
			err := dispatchtest.Asking(t, e, api.CreateSecret, again)(c)
			if err != nil && !dispatchtest.IsDenied(err) {
				return nil // it exists
			}
			return err
		})
	}

	// A batch asks for each secret as for one.
	denied := e.May(t, dispatchtest.All, `{"Effect":"Deny","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a","secretsmanager:VersionStage":"AWSCURRENT"}}}`)
	out, err := op.Call(t.Context(), e, denied, api.BatchGetSecretValue, &api.BatchGetSecretValueInput{SecretIdList: []string{"app/db", "app/db2"}})
	if err != nil || len(out.SecretValues) != 1 || *out.SecretValues[0].Name != "app/db2" || len(out.Errors) != 1 {
		t.Errorf("got %+v, %v, want the tagged secret refused and the other given", out, err)
	}
	if err := get(api.GetSecretValueInput{})(denied); !dispatchtest.IsDenied(err) {
		t.Errorf("got %v, want the tagged secret denied", err)
	}
}
