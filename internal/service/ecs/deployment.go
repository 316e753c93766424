package ecs

import "time"

// Rollout is a deployment's rolloutState.
type Rollout string

// States of a rollout.
const (
	InProgress Rollout = "IN_PROGRESS"
	Completed  Rollout = "COMPLETED"
	Failed     Rollout = "FAILED"
)

// Deployment is one revision of a service on its way to being what runs. The first
// of Service.Deployments is the PRIMARY, the others are ACTIVE until their tasks are gone.
type Deployment struct {
	ID         string // ecs-svc/<19 digits>
	Number     string // of the service deployment: 21 characters
	RevisionID string // of the service revision: 19 digits
	Revision   Revision
	CreatedAt  time.Time
	UpdatedAt  time.Time

	Rollout       Rollout
	RolloutReason string
	FailedTasks   int
	IsAnnounced   bool // its start was published

	// What DescribeServiceDeployments tells.
	Outcome    string // SUCCESSFUL, STOPPED, ROLLBACK_IN_PROGRESS, …; "" while it runs
	Reason     string
	Source     []string // revision ids that were live when it began
	FinishedAt time.Time
	StoppedAt  time.Time
	RolledTo   string // revision id that a failure went back to
	RolledAt   time.Time
}

// Revision is the immutable snapshot of what a deployment starts.
type Revision struct {
	TaskDefinition string // ARN with revision
	LaunchType     string
	Strategy       []StrategyItem
	Platform       string
	Network        Network
	LoadBalancers  []LoadBalancer
	Images         map[string]string // container → digest that the first task resolved
}

// StrategyItem is one item of a capacity provider strategy.
type StrategyItem struct {
	Provider     string
	Weight, Base int32
}

// Network is where tasks get their interface.
type Network struct {
	Subnets, Groups []string
	PublicIP        string // ENABLED, DISABLED
}

// LoadBalancer is one target group that tasks are registered in.
type LoadBalancer struct {
	Group     string // target group ARN
	Container string
	Port      int32
}
