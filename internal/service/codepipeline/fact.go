package codepipeline

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/store"
)

// spoken is a status as events spell it.
func spoken(s Status) string {
	if s == Cancelled {
		return "CANCELED"
	}
	return strings.ToUpper(string(s))
}

// stamp is how CodePipeline's events write instants.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func pipelineARN(s store.Scope, name string) string {
	return arn.New("codepipeline", s.Region, s.Account, name)
}

func (t *turn) tell(kind, state string, attempt int, detail map[string]any) {
	x := &t.x
	trigger := map[string]string{"trigger-type": x.Trigger.Type, "trigger-detail": x.Trigger.Detail}
	detail["pipeline"], detail["execution-id"], detail["state"] = x.Pipeline, x.ID, state
	detail["version"] = json.RawMessage(versionText(op.Val(x.Definition.Version)))
	detail["start-time"], detail["execution-trigger"], detail["pipeline-execution-attempt"] = stamp(x.Created), trigger, json.RawMessage(versionText(int32(attempt)))
	raw, _ := json.Marshal(detail) // strings, numbers and maps of them always encode
	t.facts = append(t.facts, eventstream.Fact{
		Source: "aws.codepipeline", DetailType: "CodePipeline " + kind + " Execution State Change",
		Resources: []string{pipelineARN(x.Scope, x.Pipeline)}, Detail: raw, At: t.at,
	})
}

// versionText is a whole number as CodePipeline writes it in events: 1.0.
func versionText(n int32) string {
	raw, _ := json.Marshal(n)
	return string(raw) + ".0"
}

func (t *turn) tellPipeline(state string) {
	detail := map[string]any{}
	if t.x.Stop != nil && t.x.Stop.Reason != "" && (state == "STOPPING" || state == "STOPPED") {
		detail["stop-execution-comments"] = t.x.Stop.Reason
	}
	t.tell("Pipeline", state, t.x.Attempt+1, detail)
}

func (t *turn) tellStage(state string) {
	detail := map[string]any{"stage": t.x.stageName()}
	attempt := 0
	if t.x.Attempt > 0 {
		attempt = t.x.Attempt + 1
	}
	if run := t.x.run(t.x.stageName()); run != nil && !run.LastRetry.IsZero() {
		detail["stage-last-retry-attempt-time"] = stamp(run.LastRetry)
	}
	t.tell("Stage", state, attempt, detail)
}

func (t *turn) tellAction(a *ActionRun, state string) {
	d := t.x.declared(a.Stage, a.Name)
	id := typeID(d.ActionTypeId)
	detail := map[string]any{
		"stage": a.Stage, "action": a.Name, "action-execution-id": a.ID, "region": t.x.Region,
		"type":            map[string]string{"owner": id.Owner, "provider": id.Provider, "category": id.Category, "version": id.Version},
		"input-artifacts": located(a.Inputs), "output-artifacts": located(a.Outputs),
	}
	if state != "STARTED" {
		result := map[string]string{"external-execution-url": a.Report.URL, "external-execution-summary": a.Report.Told(), "external-execution-id": a.Report.ExternalID}
		if f := a.Report.Failure; f != nil {
			result["error-code"] = f.Code
		}
		detail["execution-result"] = result
	}
	t.tell("Action", state, t.x.Attempt+1, detail)
}

func located(list []action.Artifact) []map[string]any {
	out := []map[string]any{}
	for _, a := range list {
		out = append(out, map[string]any{"name": a.Name, "s3location": map[string]string{"bucket": a.Bucket, "key": a.Key}})
	}
	return out
}
