package events_test

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/events"
)

func TestTagsOfARuleDecide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := &api.PutRuleInput{Name: new("pushes"), EventPattern: new(`{"source":["aws.codecommit"]}`), Tags: []api.Tag{{Key: new("team"), Value: new("a")}}}
	if _, err := op.Call(t.Context(), b, b.Root(), api.PutRule, in); err != nil {
		t.Fatal(err)
	}
	e := dispatchtest.Enforce(t, b.DB, events.New(events.Deps{}))
	e.Decides(t, "aws:ResourceTag/team", "a", dispatchtest.Asking(t, e, api.DescribeRule, &api.DescribeRuleInput{Name: in.Name}))
}
