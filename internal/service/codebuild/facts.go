package codebuild

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// usTime is how CodeBuild's events write instants.
const usTime = "Jan 2, 2006 3:04:05 PM"

// stateFact is "CodeBuild Build State Change".
func (b Build) stateFact(phase Phase) eventstream.Fact {
	return b.fact("CodeBuild Build State Change", map[string]any{
		"build-status": b.Status, "project-name": b.Project, "build-id": b.ARN(),
		"current-phase": phase, "current-phase-context": "[]", "version": "1",
		"additional-information": b.information(),
	})
}

// phaseFact is "CodeBuild Build Phase Change".
func (b Build) phaseFact(e Entry) eventstream.Fact {
	return b.fact("CodeBuild Build Phase Change", map[string]any{
		"completed-phase": e.Phase, "completed-phase-status": e.Status, "completed-phase-context": contextText(e.Contexts),
		"completed-phase-duration-seconds": int64(e.End.Sub(e.Start).Seconds()),
		"completed-phase-start":            e.Start.UTC().Format(usTime), "completed-phase-end": e.End.UTC().Format(usTime),
		"project-name": b.Project, "build-id": b.ARN(), "version": "1",
		"additional-information": b.information(),
	})
}

func (b Build) fact(kind string, detail map[string]any) eventstream.Fact {
	raw, _ := json.Marshal(detail) // strings, numbers and maps of them always encode
	return eventstream.Fact{Source: "aws.codebuild", DetailType: kind, Resources: []string{b.ARN()}, Detail: raw}
}

func contextText(cs []protocol.Context) string {
	if len(cs) == 0 {
		return "[]"
	}
	return fmt.Sprintf("[%s: %s]", cs[0].Code, cs[0].Message)
}

// information is what every event of a build carries.
func (b Build) information() map[string]any {
	env := b.Asked.Environment
	variables := []map[string]any{}
	for _, v := range env.EnvironmentVariables {
		variables = append(variables, map[string]any{"name": op.Val(v.Name), "value": op.Val(v.Value), "type": op.Or(v.Type, "PLAINTEXT")})
	}
	info := map[string]any{
		"environment": map[string]any{
			"image": op.Val(env.Image), "privileged-mode": op.Val(env.PrivilegedMode),
			"image-pull-credentials-type": op.Or(env.ImagePullCredentialsType, "CODEBUILD"),
			"compute-type":                op.Val(env.ComputeType), "type": op.Val(env.Type), "environment-variables": variables,
		},
		"timeout-in-minutes": int(b.Asked.Timeout / time.Minute), "queued-timeout-in-minutes": int(b.Asked.Queued / time.Minute),
		"build-complete": b.Complete(), "build-number": b.Number, "initiator": b.Initiator,
		"build-start-time": b.Start.UTC().Format(usTime),
		"source":           map[string]any{"location": op.Val(b.Asked.Source.Location), "type": op.Val(b.Asked.Source.Type), "buildspec": op.Val(b.Asked.Source.Buildspec)},
		"cache":            map[string]any{"type": b.cacheType()},
		"phases":           b.phaseList(),
	}
	if v := b.sourceVersion(); v != "" {
		info["source-version"] = v
	}
	if b.Logged {
		group, stream := b.logStream()
		info["logs"] = map[string]any{"group-name": group, "stream-name": stream, "deep-link": deepLink(b.Region, group, stream)}
	}
	if len(b.Stored) > 0 {
		s := b.Stored[0]
		info["artifact"] = map[string]any{"md5sum": s.MD5, "sha256sum": s.SHA256, "location": storedARN(s)}
	}
	return info
}

func (b Build) cacheType() string {
	if b.Asked.Cache == nil {
		return "NO_CACHE"
	}
	return op.Or(b.Asked.Cache.Type, "NO_CACHE")
}

func (b Build) phaseList() []map[string]any {
	out := []map[string]any{}
	for _, e := range b.Phases {
		p := map[string]any{"phase-type": e.Phase, "start-time": e.Start.UTC().Format(usTime)}
		if e.Status != "" {
			context := []string{}
			for _, c := range e.Contexts {
				context = append(context, c.Code+": "+c.Message)
			}
			p["phase-status"], p["phase-context"] = e.Status, context
			p["end-time"], p["duration-in-seconds"] = e.End.UTC().Format(usTime), int64(e.End.Sub(e.Start).Seconds())
		}
		out = append(out, p)
	}
	return out
}
