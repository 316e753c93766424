package ecs

import (
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

func deployment(id, status, rollout, reason string) api.Deployment {
	return api.Deployment{Id: &id, Status: &status, RolloutState: &rollout, RolloutStateReason: &reason}
}

func TestDeploymentIsJudgedByWhatTheServiceShows(t *testing.T) {
	t.Parallel()
	const tripped = "ECS deployment circuit breaker: tasks failed to start."
	for name, tc := range map[string]struct {
		shown []api.Deployment
		state action.State
		want  string
	}{
		"under way":                  {[]api.Deployment{deployment("new", "PRIMARY", "IN_PROGRESS", ""), deployment("old", "ACTIVE", "COMPLETED", "")}, action.Running, ""},
		"done":                       {[]api.Deployment{deployment("new", "PRIMARY", "COMPLETED", "")}, action.Succeeded, ""},
		"tripped without a rollback": {[]api.Deployment{deployment("new", "PRIMARY", "FAILED", tripped)}, action.Failed, tripped},
		"rolled back, tasks left":    {[]api.Deployment{deployment("old", "PRIMARY", "IN_PROGRESS", "rolling back"), deployment("new", "ACTIVE", "FAILED", tripped)}, action.Failed, tripped},
		"rolled back, tasks gone":    {[]api.Deployment{deployment("old", "PRIMARY", "IN_PROGRESS", "ECS deployment circuit breaker: rolling back to deploymentId old.")}, action.Failed, "ECS deployment circuit breaker: rolling back"},
		"replaced by another":        {[]api.Deployment{deployment("newer", "PRIMARY", "IN_PROGRESS", ""), deployment("new", "ACTIVE", "IN_PROGRESS", "")}, action.Failed, "The deployment new was replaced"},
		"gone":                       {[]api.Deployment{deployment("newer", "PRIMARY", "COMPLETED", "")}, action.Failed, "The deployment new of the service ended before it completed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := judge(action.Report{State: action.Running}, &api.Service{Deployments: tc.shown}, token{Deployment: "new"})
			if r.State != tc.state || tc.want != "" && !strings.HasPrefix(r.Failure.Message, tc.want) {
				t.Errorf("judged %s, %+v", r.State, r.Failure)
			}
		})
	}
}
