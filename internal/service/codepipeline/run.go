package codepipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
)

// input is what a provider gets for an action execution.
func input(x *Execution, a *ActionRun) (action.Input, *api.ActionDeclaration, error) {
	d := x.declared(a.Stage, a.Name)
	if d == nil {
		return action.Input{}, nil, fmt.Errorf("execution %s has no action %s in stage %s", x.ID, a.Name, a.Stage)
	}
	in := action.Input{
		Scope: x.Scope, Pipeline: x.Pipeline, Execution: x.ID, Stage: a.Stage, Action: a.Name, ID: a.ID,
		PipelineRole: op.Val(x.Definition.RoleArn), Role: op.Val(d.RoleArn), Configuration: a.Resolved,
		Inputs: a.Inputs, Outputs: a.Outputs, Token: a.Report.Token,
	}
	if in.Role == in.PipelineRole {
		in.Role = ""
	}
	if s, ok := storeOf(&x.Definition, x.Region); ok && s.EncryptionKey != nil {
		in.EncryptionKey = op.Val(s.EncryptionKey.Id)
	}
	if o, ok := x.Overrides[a.Name]; ok && isSource(d) {
		in.Override = &o
	}
	return in, d, nil
}

// running finds the action that an effect is for; nil where it has ended meanwhile.
func running(x *Execution, f engine.Effect) (*ActionRun, error) {
	var id string
	if err := json.Unmarshal(f.Body, &id); err != nil {
		return nil, engine.Permanent(fmt.Errorf("decode %s: %w", f.Name, err))
	}
	a := x.action(id)
	if a == nil || a.Status != InProgress {
		return nil, nil
	}
	return a, nil
}

// startAction is the effect doStart.
func (s *Service) startAction(ctx context.Context, _ engine.ID, x Execution, f engine.Effect, _ string) (*engine.Event, error) {
	a, err := running(&x, f)
	if a == nil {
		return nil, err
	}
	in, d, err := input(&x, a)
	if err != nil {
		return nil, engine.Permanent(err)
	}
	p := s.providers[typeID(d.ActionTypeId)]
	if p == nil {
		return s.report(a.ID, action.Fail(action.ConfigurationError, "The action type of action %s is not known to this release", a.Name))
	}
	if failure, err := s.assume(ctx, in); failure != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return s.report(a.ID, action.Report{State: action.Failed, Failure: failure})
	}
	r, err := p.Start(ctx, in)
	if err != nil {
		if r, err = refusal(err); err != nil {
			return nil, fmt.Errorf("start action %s of execution %s: %w", a.Name, x.ID, err)
		}
	}
	s.Log.Info("action started", "pipeline", x.Pipeline, "execution", x.ID, "action", a.Name, "state", string(r.State))
	return s.report(a.ID, r)
}

// pollAction is the effect doPoll.
func (s *Service) pollAction(ctx context.Context, _ engine.ID, x Execution, f engine.Effect, _ string) (*engine.Event, error) {
	a, err := running(&x, f)
	if a == nil {
		return nil, err
	}
	r, err := s.poll(ctx, &x, a)
	if err != nil {
		return nil, err
	}
	return s.report(a.ID, r)
}

// poll looks at an action; it reads only.
func (s *Service) poll(ctx context.Context, x *Execution, a *ActionRun) (action.Report, error) {
	in, d, err := input(x, a)
	if err != nil {
		return action.Report{}, engine.Permanent(err)
	}
	p := s.providers[typeID(d.ActionTypeId)]
	if p == nil {
		return action.Fail(action.ConfigurationError, "The action type of action %s is not known to this release", a.Name), nil
	}
	r, err := p.Poll(ctx, in)
	if err != nil {
		if r, err = refusal(err); err != nil {
			return r, fmt.Errorf("look at action %s of execution %s: %w", a.Name, x.ID, err)
		}
	}
	return r, nil
}

func (s *Service) report(id string, r action.Report) (*engine.Event, error) {
	e, err := event(evReported, told{id, r})
	if err != nil {
		return nil, err
	}
	e.At = s.Clock.Now()
	return &e, nil
}

func event(name string, body any) (engine.Event, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return engine.Event{}, fmt.Errorf("encode %s: %w", name, err)
	}
	return engine.Event{Name: name, Body: raw}, nil
}

// refusal is the report of an AWS error that a provider returned as it came.
func refusal(err error) (action.Report, error) {
	f, ok := action.Refused(err)
	if !ok {
		return action.Report{}, err
	}
	return action.Report{State: action.Failed, Failure: &f}, nil
}

// assume makes sure that the pipeline's role may become the action's.
func (s *Service) assume(ctx context.Context, in action.Input) (*action.Failure, error) {
	if in.Role == "" {
		return nil, nil
	}
	as := in
	as.Role = ""
	_, err := op.Call(ctx, s.AWS, as.Caller(""), sts.AssumeRole, &sts.AssumeRoleInput{RoleArn: &in.Role, RoleSessionName: new(cut(in.Pipeline, 64))})
	if e, ok := errors.AsType[*op.Error](err); ok && !e.IsTransient() {
		return &action.Failure{Code: action.PermissionError, Message: fmt.Sprintf("%s is not authorized to perform AssumeRole on role %s", in.PipelineRole, in.Role)}, nil
	}
	return nil, err
}
