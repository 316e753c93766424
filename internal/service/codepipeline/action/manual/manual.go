// Package manual is the approval action: it waits for a person's PutApprovalResult.
// Package codepipeline calls it.
package manual

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

// Provider is the approval action Manual.
type Provider struct{}

// Type describes it.
func (Provider) Type() action.Type {
	return action.Type{
		ID: action.ID{Category: "Approval", Owner: "AWS", Provider: "Manual", Version: "1"},
		Properties: []action.Property{
			{Name: "NotificationArn"}, {Name: "CustomData"}, {Name: "ExternalEntityLink"}, {Name: "IsSummaryRequired"},
		},
		Timeout: 7 * 24 * time.Hour,
	}
}

// Check refuses notifications: there is no SNS here to publish to.
func (Provider) Check(name string, c map[string]string) string {
	if topic := c["NotificationArn"]; topic != "" {
		return fmt.Sprintf("The ARN %s you specified for sending notifications for the approval action %s cannot be used: Amazon SNS is not available here. Remove NotificationArn", topic, name)
	}
	return ""
}

// Start waits.
func (Provider) Start(_ context.Context, in action.Input) (action.Report, error) {
	return action.Report{State: action.Running, ExternalID: in.ID, EntityURL: in.Configuration["ExternalEntityLink"], IsAwaitingPeople: true}, nil
}

// Poll goes on waiting.
func (p Provider) Poll(ctx context.Context, in action.Input) (action.Report, error) {
	return p.Start(ctx, in)
}
