package ecs

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/ids"
)

// turn collects what one event of a service leads to.
type turn struct {
	*Service
	now     time.Time
	settle  time.Duration // how long a task without any check runs until it counts as healthy
	wake    time.Time     // earliest instant at which time alone changes a decision
	effects []engine.Effect
	facts   []eventstream.Fact
}

// wakeAt asks for another look at t.
func (t *turn) wakeAt(at time.Time) {
	if t.wake.IsZero() || at.Before(t.wake) {
		t.wake = at
	}
}

// next numbers what the service makes.
func (t *turn) next() int {
	t.Sequence++
	return t.Sequence
}

// seed derives ids from the service, so that a repeated turn makes the same ones.
func (t *turn) seed(n int) string { return fmt.Sprintf("%s %s %d", t.arn(), t.Incarnation, n) }

// ServiceEvent is one entry of a service's events.
type ServiceEvent struct {
	ID        string
	At        time.Time
	Message   string
	IsRoutine bool // an identical one within six hours is not told again
}

// maxEvents is how many events AWS keeps.
const maxEvents = 100

const quiet = 6 * time.Hour

// say adds an event "(service S) …".
func (t *turn) say(format string, args ...any) {
	t.tell(false, fmt.Sprintf("(service %s) ", t.Name)+fmt.Sprintf(format, args...))
}

// warn is say, silent where the same was said within six hours.
func (t *turn) warn(format string, args ...any) {
	t.tell(true, fmt.Sprintf("(service %s) ", t.Name)+fmt.Sprintf(format, args...))
}

func (t *turn) tell(routine bool, message string) {
	if routine {
		for _, e := range t.Events {
			if e.Message == message && t.now.Sub(e.At) < quiet {
				return
			}
		}
	}
	e := ServiceEvent{ID: ids.UUID("event " + t.seed(t.next())), At: t.now, Message: message, IsRoutine: routine}
	t.Events = append([]ServiceEvent{e}, t.Events...)
	if len(t.Events) > maxEvents {
		t.Events = t.Events[:maxEvents]
	}
}

// list is "(task a) (task b)".
func list(tasks []string) string {
	return "(task " + strings.Join(tasks, ") (task ") + ")"
}

// action publishes an ECS Service Action.
func (t *turn) action(kind, name string) {
	t.publish("ECS Service Action", map[string]any{
		"eventType": kind, "eventName": name, "clusterArn": t.clusterARN(), "createdAt": stamp(t.now),
	})
}

// rollout publishes an ECS Deployment State Change.
func (t *turn) rollout(kind, name string, d *Deployment, reason string) {
	t.publish("ECS Deployment State Change", map[string]any{
		"eventType": kind, "eventName": name, "deploymentId": d.ID, "updatedAt": stamp(t.now), "reason": reason,
	})
}

func (t *turn) publish(detailType string, detail map[string]any) {
	b, err := json.Marshal(detail)
	if err != nil {
		panic(err) // strings only
	}
	t.facts = append(t.facts, eventstream.Fact{
		Source: "aws.ecs", DetailType: detailType, Resources: []string{t.arn()}, Detail: b,
	})
}

// stamp is an instant as EventBridge writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
