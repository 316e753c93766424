package ssm_test

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/service/ssm"
)

func TestConditionKeysDecide(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, name := range []string{"/app/url", "plain"} {
		must(w, api.PutParameter, &api.PutParameterInput{Name: new(name), Value: new("v"), Type: new("String"), Tags: []api.Tag{{Key: new("team"), Value: new("a")}}})
	}
	e := dispatchtest.Enforce(t, w.DB, ssm.New(ssm.Deps{}))
	for _, key := range []string{"aws:ResourceTag/team", "ssm:resourceTag/team"} {
		for _, name := range []string{"/app/url", "plain", "plain:1", "arn:aws:ssm:us-east-1:100000000001:parameter/plain"} {
			e.Decides(t, key, "a", dispatchtest.Asking(t, e, api.GetParameter, &api.GetParameterInput{Name: &name}))
		}
	}
	e.Decides(t, "ssm:Overwrite", "true", dispatchtest.Asking(t, e, api.PutParameter, &api.PutParameterInput{Name: new("plain"), Value: new("w"), Type: new("String"), Overwrite: new(true)}))
	e.Decides(t, "ssm:Recursive", "true", dispatchtest.Asking(t, e, api.GetParametersByPath, &api.GetParametersByPathInput{Path: new("/app"), Recursive: new(true)}))
}
