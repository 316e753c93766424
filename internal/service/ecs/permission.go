package ecs

import (
	"context"
	"errors"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// tasksPrincipal is the service that tasks' roles trust.
const tasksPrincipal = "ecs-tasks.amazonaws.com"

// mayPass asks whether by may hand role to a task.
func (c *Control) mayPass(ctx context.Context, r store.Reader, by op.Caller, role string) error {
	return c.Guard.Allow(ctx, r, by, "iam:PassRole", role, map[string]string{"iam:PassedToService": tasksPrincipal})
}

// mayTag asks, where a resource is made with tags, whether by may tag it.
func (c *Control) mayTag(ctx context.Context, r store.Reader, by op.Caller, tags []api.Tag, resource, action string) error {
	if len(tags) == 0 {
		return nil
	}
	return c.Guard.Allow(ctx, r, by, "ecs:TagResource", resource, map[string]string{"ecs:CreateAction": action})
}

// assumable asks whether ECS may act with role for a task; the reason is AWS's sentence.
func (c *Control) assumable(ctx context.Context, r store.Reader, role string) (reason string, err error) {
	err = c.Guard.Trusts(ctx, r, role, tasksPrincipal)
	if err == nil {
		return "", nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "", err
	}
	return "ECS was unable to assume the role '" + role + "' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.", nil
}
