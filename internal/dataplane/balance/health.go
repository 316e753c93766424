package balance

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

// Health is what is known of one target.
type Health struct {
	State       string
	Reason      string
	Description string
	Run         int // outcomes in a row that speak against State
}

var unknown = Health{State: dataplane.Initial, Reason: "Elb.RegistrationInProgress", Description: "Target registration is in progress"}

// outcome of one check.
type outcome struct {
	Passed      bool
	Reason      string
	Description string
}

var passed = outcome{Passed: true}

// judge is the step of a target's health. A new target is healthy with its
// first pass; after that the thresholds count.
func judge(h Health, o outcome, c dataplane.Check) Health {
	if o.Passed {
		return pass(h, c)
	}
	if h.State == dataplane.Unhealthy {
		return Health{dataplane.Unhealthy, o.Reason, o.Description, 0}
	}
	h.Run++
	if h.Run >= max(c.Unhealthy, 1) {
		return Health{dataplane.Unhealthy, o.Reason, o.Description, 0}
	}
	if h.State == dataplane.Initial {
		h.Reason, h.Description = "Elb.InitialHealthChecking", "Initial health checks in progress"
	}
	return h
}

func pass(h Health, c dataplane.Check) Health {
	if h.State == dataplane.Unhealthy {
		if h.Run++; h.Run < max(c.Healthy, 1) {
			return h
		}
	}
	return Health{State: dataplane.Healthy}
}

// matches reads AWS's matcher: codes and ranges, separated by commas.
func matches(codes string, status int) bool {
	if codes == "" {
		codes = "200"
	}
	for part := range strings.SplitSeq(codes, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(part), "-")
		lo, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		hi := lo
		if ranged {
			if hi, err = strconv.Atoi(to); err != nil {
				continue
			}
		}
		if lo <= status && status <= hi {
			return true
		}
	}
	return false
}

func mismatch(status int) outcome {
	return outcome{false, "Target.ResponseCodeMismatch", fmt.Sprintf("Health checks failed with these codes: [%d]", status)}
}

var (
	timedOut = outcome{false, "Target.Timeout", "Request timed out"}
	failed   = outcome{false, "Target.FailedHealthChecks", "Health checks failed"}
)
