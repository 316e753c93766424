package ecs

import (
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/ids"
)

// deploy makes rev the revision that the service runs: a new primary deployment, the
// former one ACTIVE. What runs of a superseded rollout is stopped as any old task is.
func (s *Service) deploy(rev Revision, at time.Time) {
	s.Sequence++
	seed := fmt.Sprintf("%s %s %d", s.arn(), s.Incarnation, s.Sequence)
	d := Deployment{
		ID: deploymentID(seed), Number: ids.Lower(21, seed), RevisionID: digits(19, "revision "+seed),
		Revision: rev, CreatedAt: at, UpdatedAt: at, Rollout: InProgress,
	}
	d.RolloutReason = "ECS deployment " + d.ID + " in progress."
	if old := s.primary(); old != nil {
		d.Source = []string{old.RevisionID}
		if old.Rollout == InProgress && old.Outcome == "" {
			old.Outcome, old.StoppedAt, old.FinishedAt = "STOPPED", at, at
			old.Reason = "Service deployment stopped because of a new service deployment."
		}
	}
	for _, list := range [][]Deployment{s.Deployments, s.Past} {
		for i := range list {
			if list[i].Outcome == "ROLLBACK_IN_PROGRESS" {
				list[i].Outcome, list[i].FinishedAt = "ROLLBACK_FAILED", at
			}
		}
	}
	s.Deployments = append([]Deployment{d}, s.Deployments...)
	s.Throttle = Throttle{}
	s.Steady = false
}
