package codebuild

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// Phase is where a build is, in AWS's words; it only moves forward.
type Phase string

// The phases, in order.
const (
	Submitted       Phase = "SUBMITTED"
	Queued          Phase = "QUEUED"
	Provisioning    Phase = "PROVISIONING"
	DownloadSource  Phase = protocol.DownloadSource
	Install         Phase = protocol.Install
	PreBuild        Phase = protocol.PreBuild
	BuildPhase      Phase = protocol.BuildPhase
	PostBuild       Phase = protocol.PostBuild
	UploadArtifacts Phase = protocol.UploadArtifacts
	Finalizing      Phase = "FINALIZING"
	Completed       Phase = "COMPLETED"
)

var order = []Phase{
	Submitted, Queued, Provisioning, DownloadSource, Install, PreBuild,
	BuildPhase, PostBuild, UploadArtifacts, Finalizing, Completed,
}

// Statuses that the runner does not know.
const (
	InProgress = "IN_PROGRESS"
	TimedOut   = "TIMED_OUT"
)

// Events of a build. Those of the effects' failures end in ".failed".
const (
	evSubmitted   = "submitted"   // StartBuild put it
	evAdmitted    = "admitted"    // Admission: its log stream exists, a place is free
	evAttached    = "attached"    // Attachment: its network interface is there
	evPulling     = "pulling"     // its image is still on its way
	evProvisioned = "provisioned" // the pod has been asked for
	evRefused     = "refused"     // Context: the phase fails by the user's doing
	evReported    = "reported"    // []protocol.Report from the runner
	evLost        = "lost"        // Loss: the pod ended before the runner said so
	evStop        = "stop"        // StopBuild
	evTimedOut    = "timed-out"   // timer
	evQueuedLong  = "queued-long" // timer
	evRetried     = "retried"     // Retrial: another build follows
	evCleaned     = "cleaned"     // nothing of it is left outside
	evCleanAgain  = "clean-again" // timer
)

// Effects of a build.
const (
	doAdmit     = "admit"
	doAttach    = "attach"
	doProvision = "provision"
	doRetry     = "retry"
	doClean     = "clean"
)

// Attachment is what evAttached tells.
type Attachment struct{ Interface, Subnet string }

// Retrial is what evRetried tells: the ARN of the build that follows.
type Retrial struct{ Next string }

// Loss is what evLost tells.
type Loss struct {
	Reason string
	OOM    bool
}

// Cleaning is what doClean does: Grace is how long the runner may take to end
// the running command.
type Cleaning struct{ Grace time.Duration }

// stopGrace is what a stopped build's commands get between SIGTERM and SIGKILL.
const stopGrace = 10 * time.Second

// cleanPause is how long after a failed cleaning the next one is tried: its own
// retries have taken minutes already.
const cleanPause = 5 * time.Minute

// turn collects what one event leads to.
type turn struct {
	b  Build
	at time.Time
	engine.Turn[Build]
}

// step is the life of a build. Pure: no clock, no I/O.
func step(b Build, e engine.Event) (engine.Turn[Build], error) {
	b.Phases = slices.Clone(b.Phases)
	t := &turn{b: b, at: e.At}
	err := t.take(e)
	t.Next = t.b
	return t.Turn, err
}

func (t *turn) take(e engine.Event) error {
	if t.b.Complete() {
		return t.late(e)
	}
	switch e.Name {
	case evSubmitted:
		t.submit()
	case evAdmitted:
		t.admit()
	case evAttached:
		return body(e, t.attached)
	case evPulling:
		t.Effects = append(t.Effects, engine.Effect{Do: doProvision, Name: doProvision})
	case evProvisioned:
		t.b.Provisioned = true
	case evRefused:
		if isBefore(t.b.Phase, DownloadSource) {
			return body(e, func(why protocol.Context) { t.finish(protocol.Failed, protocol.Failed, why, 0) })
		}
	case evReported:
		return body(e, t.reports)
	case evLost:
		if t.b.Phase != Queued {
			return body(e, t.lose)
		}
	case evStop:
		t.finish(protocol.Stopped, protocol.Stopped, protocol.Context{}, t.grace())
	case evTimedOut:
		t.finish(TimedOut, TimedOut, protocol.Context{Code: "BUILD_TIMED_OUT", Message: "Build has timed out. "}, t.grace())
	case evQueuedLong:
		if t.b.Phase == Queued {
			t.finish(TimedOut, TimedOut, protocol.Context{Code: "BUILD_TIMED_OUT", Message: "Build has timed out. "}, 0)
		}
	case doAdmit + ".failed", doAttach + ".failed", doProvision + ".failed":
		if !isBefore(t.b.Phase, DownloadSource) {
			return nil // its container runs: what failed was repeated for nothing
		}
		t.finish(protocol.Fault, protocol.Fault, protocol.Context{Code: internalError, Message: failure(e)}, 0)
	}
	return nil
}

// late takes what arrives after the end: a pod that was asked for while the build
// was stopped leaves an interface to be removed.
func (t *turn) late(e engine.Event) error {
	switch e.Name {
	case evAttached:
		return body(e, func(a Attachment) {
			t.b.Interface, t.b.Subnet = a.Interface, a.Subnet
			t.clean(doClean+"/after-"+e.Name, 0)
		})
	case evProvisioned, evAdmitted, doAdmit + ".failed", doProvision + ".failed":
		t.clean(doClean+"/after-"+e.Name, 0)
	case evRetried:
		return body(e, func(r Retrial) { t.b.Retry.Next = r.Next })
	case evCleanAgain:
		t.clean(doClean+"/"+t.at.Format(time.RFC3339), 0)
	}
	if strings.HasPrefix(e.Name, doClean) && strings.HasSuffix(e.Name, ".failed") {
		t.Effects = append(t.Effects, engine.Effect{Name: evCleanAgain, Due: t.at.Add(cleanPause)})
	}
	return nil
}

func (t *turn) submit() {
	t.Effects = append(t.Effects,
		engine.Effect{Do: doAdmit, Name: doAdmit},
		engine.Effect{Name: evQueuedLong, Due: t.at.Add(t.b.Asked.Queued)},
	)
	t.publish(t.b.stateFact(Submitted))
	t.publish(t.b.phaseFact(t.b.Phases[0]))
}

func (t *turn) admit() {
	if t.b.Phase != Queued {
		return
	}
	t.b.Logged = true
	t.enter(Provisioning, t.at)
	first := doProvision
	if t.b.Asked.VPC != nil {
		first = doAttach
	}
	t.Effects = append(t.Effects,
		engine.Effect{Name: evQueuedLong}, // takes the timer back
		engine.Effect{Do: first, Name: first},
		engine.Effect{Name: evTimedOut, Due: t.at.Add(t.b.Asked.Timeout)},
	)
}

// attached goes on with the pod: the interface is known before anything can fail
// that would have to give it back.
func (t *turn) attached(a Attachment) {
	t.b.Interface, t.b.Subnet = a.Interface, a.Subnet
	if t.b.Phase == Provisioning {
		t.Effects = append(t.Effects, engine.Effect{Do: doProvision, Name: doProvision})
	}
}

// reports takes the runner's reports in; those already known are skipped.
func (t *turn) reports(rs []protocol.Report) {
	for _, r := range rs {
		if r.N != t.b.Reports || t.b.Complete() {
			continue
		}
		t.b.Reports++
		t.report(r)
	}
}

func (t *turn) report(r protocol.Report) {
	at := time.UnixMilli(r.At).UTC()
	if r.Resolved != nil {
		t.b.Resolved = r.Resolved
	}
	if r.Exported != nil {
		t.b.Exported = r.Exported
	}
	if r.Stored != nil {
		t.b.Stored = r.Stored
	}
	switch {
	case r.State == protocol.Stopped:
		// StopBuild and the timeout complete the build before its runner is told.
		t.lose(Loss{Reason: "It was stopped from outside: the host or its container engine was shut down."})
	case r.Phase == "":
		if isBefore(t.b.Phase, DownloadSource) {
			return
		}
		t.at = at
		t.b.Retry.Limit = max(t.b.Retry.Limit, r.Retries)
		t.finish(r.State, protocol.Succeeded, protocol.Context{}, 0)
	case r.State == "":
		if t.b.Phase != Queued && slices.Index(order, Phase(r.Phase)) == slices.Index(order, t.b.Phase)+1 {
			t.enter(Phase(r.Phase), at)
		}
	case t.b.Phase == Phase(r.Phase):
		t.leave(r.State, at, r.Why)
	}
}

func (t *turn) lose(l Loss) {
	why := protocol.Context{Code: internalError, Message: "Build container found dead before completing the build. " +
		"Build container died because it was out of memory, or the Docker image is not supported. ErrorCode: 500"}
	if l.Reason != "" && !l.OOM {
		why.Message = "Build container found dead before completing the build. " + l.Reason
	}
	t.finish(protocol.Fault, protocol.Fault, why, 0)
}

// enter ends the phase that still runs, well, and begins the next one.
func (t *turn) enter(p Phase, at time.Time) {
	t.leave(protocol.Succeeded, at, protocol.Context{})
	t.b.Phase = p
	t.b.Phases = append(t.b.Phases, Entry{Phase: p, Start: at})
}

// leave ends the running phase, if it has not ended.
func (t *turn) leave(status string, at time.Time, why protocol.Context) {
	last := &t.b.Phases[len(t.b.Phases)-1]
	if last.Status != "" {
		return
	}
	last.Status, last.End = status, at
	if last.Phase != Queued || status != protocol.Succeeded {
		last.Contexts = []protocol.Context{why}
	}
	t.publish(t.b.phaseFact(*last))
}

// finish ends the build: the running phase with last, the build with status.
func (t *turn) finish(status, last string, why protocol.Context, grace time.Duration) {
	t.leave(last, t.at, why)
	t.enter(Finalizing, t.at)
	t.leave(protocol.Succeeded, t.at, protocol.Context{})
	t.b.Status, t.b.Phase, t.b.End = status, Completed, t.at
	t.b.Phases = append(t.b.Phases, Entry{Phase: Completed, Start: t.at})
	t.publish(t.b.stateFact(Completed))
	t.Effects = append(t.Effects, engine.Effect{Name: evQueuedLong}, engine.Effect{Name: evTimedOut}) // taken back
	if status == protocol.Failed && t.b.retries() {
		t.Effects = append(t.Effects, engine.Effect{Do: doRetry, Name: doRetry})
	}
	t.clean(doClean, grace)
}

// grace is what the running command gets; without a container there is none.
func (t *turn) grace() time.Duration {
	if t.b.Provisioned {
		return stopGrace
	}
	return 0
}

func (t *turn) clean(name string, grace time.Duration) {
	raw, _ := json.Marshal(Cleaning{grace}) // a plain number always encodes
	t.Effects = append(t.Effects, engine.Effect{Do: doClean, Name: name, Body: raw})
}

func (t *turn) publish(f eventstream.Fact) { t.Publish = append(t.Publish, f) }

// internalError is the code of a FAULT.
const internalError = "INTERNAL_SERVICE_ERROR"

func isBefore(a, b Phase) bool { return slices.Index(order, a) < slices.Index(order, b) }

// body decodes the event's body and hands it to f.
func body[T any](e engine.Event, f func(T)) error {
	var v T
	if len(e.Body) > 0 {
		if err := json.Unmarshal(e.Body, &v); err != nil {
			return fmt.Errorf("event %s: %w", e.Name, err)
		}
	}
	f(v)
	return nil
}

// failure is the text of an effect that could not be done.
func failure(e engine.Event) string {
	var f engine.Failure
	if json.Unmarshal(e.Body, &f) == nil && f.Error != "" {
		return "The build could not be started: " + f.Error
	}
	return "The build could not be started: " + e.Name
}
