package codepipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/store"
)

// maxLive is how many executions of a pipeline may be in progress in the modes that supersede nobody.
const maxLive = 50

func (s *Service) startExecution(ctx context.Context, tx store.Tx, c op.Caller, in *api.StartPipelineExecutionInput) (*api.StartPipelineExecutionOutput, error) {
	d, err := s.pipeline(ctx, tx, c.Scope, in.Name)
	if err != nil {
		return nil, err
	}
	x := Execution{Token: op.Val(in.ClientRequestToken), Trigger: triggerOf(c)}
	if x.Overrides, err = overrides(&d.Value.Definition, in.SourceRevisions); err != nil {
		return nil, err
	}
	if x.Variables, err = given(in.Variables); err != nil {
		return nil, err
	}
	if x.Token != "" {
		known, err := executions.List(ctx, tx, c.Scope, store.Query{Index: "token", Equal: *in.Name + "/" + x.Token, Limit: 1})
		if err != nil {
			return nil, fmt.Errorf("read execution of token: %w", err)
		}
		if len(known) > 0 {
			return &api.StartPipelineExecutionOutput{PipelineExecutionId: &known[0].Key}, nil
		}
	}
	id, err := s.begin(ctx, tx, c.Scope, d.Value, x, c.Key)
	if err != nil {
		return nil, err
	}
	return &api.StartPipelineExecutionOutput{PipelineExecutionId: &id}, nil
}

// triggerOf is who starts. EventBridge calls with a role session that is named like the rule.
func triggerOf(c op.Caller) Trigger {
	if c.Service == "events.amazonaws.com" {
		rule := c.ARN[strings.LastIndexByte(c.ARN, '/')+1:]
		return Trigger{"CloudWatchEvent", arn.New("events", c.Region, c.Account, "rule/"+rule)}
	}
	return Trigger{"StartPipelineExecution", c.ARN}
}

func overrides(p *api.PipelineDeclaration, list []api.SourceRevisionOverride) (map[string]action.Override, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if op.Val(p.PipelineType) != api.PipelineTypeV2 {
		return nil, api.ValidationException("Source revision overrides can only be used with V2 pipelines")
	}
	out := map[string]action.Override{}
	for _, o := range list {
		name := op.Val(o.ActionName)
		a := findAction(p, *p.Stages[0].Name, name)
		if a == nil {
			return nil, api.ValidationException("The pipeline '%s' does not have a source action with name '%s'", *p.Name, name)
		}
		if op.Val(o.RevisionType) == api.SourceRevisionTypeS3ObjectKey && a.Configuration["AllowOverrideForS3ObjectKey"] != "true" {
			return nil, api.ValidationException("The source action '%s' does not allow an override of its S3 object key: set AllowOverrideForS3ObjectKey to true", name)
		}
		out[name] = action.Override{Type: op.Val(o.RevisionType), Value: op.Val(o.RevisionValue)}
	}
	return out, nil
}

func given(list []api.PipelineVariable) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, v := range list {
		if _, ok := out[op.Val(v.Name)]; ok {
			return nil, api.ValidationException("Variable names must be unique. The following variable name is already in use: %s", op.Val(v.Name))
		}
		out[op.Val(v.Name)] = op.Val(v.Value)
	}
	return out, nil
}

// begin puts an execution of p and sends its machine the first event. x says what
// is special about it; key makes its id, "" a random one.
func (s *Service) begin(ctx context.Context, tx store.Tx, scope store.Scope, p Pipeline, x Execution, key string) (string, error) {
	x.Scope, x.Pipeline, x.Definition, x.Status = scope, *p.Definition.Name, p.Definition, InProgress
	if mode(&x.Definition) != api.ExecutionModeSuperseded {
		live, err := executions.List(ctx, tx, scope, store.Query{Index: "live", Equal: x.Pipeline, Limit: maxLive})
		if err != nil {
			return "", fmt.Errorf("read executions in progress: %w", err)
		}
		if len(live) == maxLive {
			return "", api.ConcurrentPipelineExecutionsLimitExceededException("The pipeline '%s' has reached the limit of %d concurrent executions", x.Pipeline, maxLive)
		}
	}
	l, err := lanes.Get(ctx, tx, scope, x.Pipeline)
	if err != nil {
		return "", fmt.Errorf("read stages of %s: %w", x.Pipeline, err)
	}
	l.Value.Started++
	if _, err := lanes.Put(ctx, tx, scope, x.Pipeline, l.Value, l.Version); err != nil {
		return "", fmt.Errorf("count execution of %s: %w", x.Pipeline, err)
	}
	x.Number = l.Value.Started
	if key != "" {
		key = "execution " + key
	}
	x.ID = ids.UUID(key)
	x.Created = s.Clock.Now()
	x.Updated = x.Created
	x.bind()
	if _, err := executions.Put(ctx, tx, scope, x.ID, x, 0); err != nil {
		return "", fmt.Errorf("store execution %s: %w", x.ID, err)
	}
	return x.ID, s.send(ctx, tx, scope, x.ID, engine.Event{Name: evBegin, At: x.Created})
}

// bind gives the pipeline's variables their values, once for the execution.
func (x *Execution) bind() {
	values := map[string]string{}
	for _, v := range x.Definition.Variables {
		name := op.Val(v.Name)
		value, ok := x.Variables[name]
		switch {
		case ok:
			values[name] = value
		case v.DefaultValue != nil:
			values[name] = *v.DefaultValue
		case x.Rollback == "":
			x.Missing = append(x.Missing, name)
		}
	}
	slices.Sort(x.Missing)
	x.Variables = values
	if len(x.Missing) > 0 || len(values) == 0 {
		x.Variables = nil
	}
}
