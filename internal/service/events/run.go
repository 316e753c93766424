package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
)

// deliver calls the target as the target's role. The session is named after the
// rule, which is how a pipeline tells what started it. What the target refuses for
// good (4xx, but for throttling) is not tried again.
func (s *Service) deliver(ctx context.Context, id engine.ID, d Delivery, _ engine.Effect, token string) (*engine.Event, error) {
	a, ok := arn.Parse(d.Target.ARN)
	if !ok {
		return nil, engine.Permanent(fmt.Errorf("the target %q is no ARN", d.Target.ARN))
	}
	scope := id.Scope
	scope.Region = a.Region
	as := op.As(scope, d.Target.RoleARN, session(d.Rule), principal, token).For(ruleARN(id.Scope, d.Rule))
	var err error
	switch a.Service {
	case "codepipeline":
		in := &codepipeline.StartPipelineExecutionInput{}
		if err := d.read(in); err != nil {
			return nil, engine.Permanent(fmt.Errorf("the input of target %s is not StartPipelineExecution's: %w", d.Target.ID, err))
		}
		in.Name = &a.Resource
		_, err = op.Call(ctx, s.AWS, as, codepipeline.StartPipelineExecution, in)
	case "codebuild":
		in := &codebuild.StartBuildInput{}
		if err := d.read(in); err != nil {
			return nil, engine.Permanent(fmt.Errorf("the input of target %s is not StartBuild's: %w", d.Target.ID, err))
		}
		in.ProjectName = new(strings.TrimPrefix(a.Resource, "project/"))
		_, err = op.Call(ctx, s.AWS, as, codebuild.StartBuild, in)
	default:
		return nil, engine.Permanent(fmt.Errorf("targets of %s are not supported", a.Service))
	}
	if refused, ok := errors.AsType[*op.Error](err); ok && !refused.IsTransient() {
		s.Log.Warn("a rule's target refused an event", "rule", d.Rule, "target", d.Target.ARN, "error", err)
		return nil, engine.Permanent(err)
	}
	if err != nil {
		return nil, err
	}
	return &engine.Event{Name: "delivered", At: s.Clock.Now()}, nil
}

// read fills in with what the target asked to be given in place of the whole event,
// if it did: the members of StartBuild or StartPipelineExecution.
func (d Delivery) read(in any) error {
	text := ""
	switch {
	case d.Target.Input != "":
		text = d.Target.Input
	case d.Target.InputPath != "":
		raw, _ := at(d.Event, d.Target.InputPath)
		text = string(raw)
	case d.Target.Template != "":
		text = transform(d.Target.Template, d.Target.Paths, d.predefined(), d.Event)
	}
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), in)
}

// predefined are the variables that EventBridge itself gives to templates.
func (d Delivery) predefined() map[string]json.RawMessage {
	quoted := func(s string) json.RawMessage { return json.RawMessage(strconv.Quote(s)) } // names and times: plain ASCII
	return map[string]json.RawMessage{
		"aws.events.rule-arn":             quoted(d.RuleARN),
		"aws.events.rule-name":            quoted(d.Rule),
		"aws.events.event.ingestion-time": quoted(d.Taken.UTC().Format("2006-01-02T15:04:05Z")),
		"aws.events.event":                d.Event,
		"aws.events.event.json":           d.Event,
	}
}

// session is the rule's name as far as a session's may have it.
func session(rule string) string {
	clean := strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_+=,.@-", r)) {
			return r
		}
		return '-'
	}, rule)
	if len(clean) < 2 {
		clean += "--"
	}
	return clean[:min(len(clean), 64)]
}
