package logs_test

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/logs"
)

func TestTagsOfAGroupDecideOverGroupAndStreams(t *testing.T) {
	t.Parallel()
	d := setup(t)
	resource := new("arn:aws:logs:us-east-1:100000000001:log-group:" + group)
	if _, err := op.Call(t.Context(), d, d.Root(), api.TagResource, &api.TagResourceInput{ResourceArn: resource, Tags: map[string]string{"team": "a"}}); err != nil {
		t.Fatal(err)
	}
	e := dispatchtest.Enforce(t, d.DB, logs.New(logs.Deps{}))
	e.Decides(t, "aws:ResourceTag/team", "a", dispatchtest.Asking(t, e, api.ListTagsLogGroup, &api.ListTagsLogGroupInput{LogGroupName: &group}))
	e.Decides(t, "aws:ResourceTag/team", "a", dispatchtest.Asking(t, e, api.ListTagsForResource, &api.ListTagsForResourceInput{ResourceArn: resource}))
	// A stream's question is refused before the service is asked at all.
	denied := e.May(t, dispatchtest.All, `{"Effect":"Deny","Action":"logs:GetLogEvents","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}`)
	if err := dispatchtest.Asking(t, e, api.GetLogEvents, &api.GetLogEventsInput{LogGroupName: &group, LogStreamName: &name})(denied); !dispatchtest.IsDenied(err) {
		t.Errorf("got %v, want the group's tags to be those of its streams", err)
	}
}
