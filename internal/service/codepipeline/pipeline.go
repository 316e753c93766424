package codepipeline

import (
	"context"
	"errors"
	"fmt"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func (s *Service) createPipeline(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreatePipelineInput) (*api.CreatePipelineOutput, error) {
	p := *in.Pipeline
	if err := s.check(ctx, tx, c, &p); err != nil {
		return nil, err
	}
	tags, err := tagMap(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	normalise(&p)
	p.Version = new(int32(1))
	now := s.Clock.Now()
	d := Pipeline{Definition: p, Created: now, Updated: now, Tags: tags}
	if _, err := pipelines.Put(ctx, tx, c.Scope, *p.Name, d, 0); err != nil {
		if errors.Is(err, store.ErrVersion) {
			return nil, api.PipelineNameInUseException("A pipeline with the name '%s' already exists in account '%s'", *p.Name, c.Account)
		}
		return nil, fmt.Errorf("store pipeline %s: %w", *p.Name, err)
	}
	l := Lanes{}
	l.fit(&p)
	if _, err := lanes.Put(ctx, tx, c.Scope, *p.Name, l, 0); err != nil {
		return nil, fmt.Errorf("store stages of %s: %w", *p.Name, err)
	}
	if _, err := versions.Put(ctx, tx, c.Scope, versionKey(*p.Name, 1), p, 0); err != nil {
		return nil, fmt.Errorf("store version of %s: %w", *p.Name, err)
	}
	if err := s.watch(ctx, tx, c.Scope, &p); err != nil {
		return nil, err
	}
	if len(polled(&p)) == 0 { // polled sources start it by themselves
		if _, err := s.begin(ctx, tx, c.Scope, d, Execution{Trigger: Trigger{"CreatePipeline", c.ARN}}, c.Key); err != nil {
			return nil, err
		}
	}
	return &api.CreatePipelineOutput{Pipeline: &p, Tags: tagList(tags)}, nil
}

func versionKey(name string, version int32) string { return fmt.Sprintf("%s/%08d", name, version) }

// normalise writes what AWS echoes for what was not said.
func normalise(p *api.PipelineDeclaration) {
	p.PipelineType, p.ExecutionMode = new(pipelineType(p)), new(mode(p))
	for i := range p.Stages {
		for j := range p.Stages[i].Actions {
			a := &p.Stages[i].Actions[j]
			a.RunOrder = new(op.Or(a.RunOrder, 1))
			if a.Configuration == nil {
				a.Configuration = map[string]string{}
			}
			if a.InputArtifacts == nil {
				a.InputArtifacts = []api.InputArtifact{}
			}
			if a.OutputArtifacts == nil {
				a.OutputArtifacts = []api.OutputArtifact{}
			}
		}
	}
}

// pipelineType is V1 unless the definition says otherwise, or uses what only V2 has.
func pipelineType(p *api.PipelineDeclaration) string {
	if p.PipelineType == nil && (len(p.Variables) > 0 || len(p.Triggers) > 0 || mode(p) != api.ExecutionModeSuperseded) {
		return api.PipelineTypeV2
	}
	return op.Or(p.PipelineType, api.PipelineTypeV1)
}

func (s *Service) getPipeline(ctx context.Context, r store.Reader, c op.Caller, in *api.GetPipelineInput) (*api.GetPipelineOutput, error) {
	d, err := s.pipeline(ctx, r, c.Scope, in.Name)
	if err != nil {
		return nil, err
	}
	p := d.Value.Definition
	if in.Version != nil && *in.Version != *p.Version {
		old, err := versions.Get(ctx, r, c.Scope, versionKey(*in.Name, *in.Version))
		if errors.Is(err, store.ErrNotFound) {
			return nil, api.PipelineVersionNotFoundException("Account '%s' does not have a pipeline with name '%s' and version '%d'", c.Account, *in.Name, *in.Version)
		}
		if err != nil {
			return nil, fmt.Errorf("read version %d of %s: %w", *in.Version, *in.Name, err)
		}
		p = old.Value
	}
	normalise(&p) // empty lists are not stored
	return &api.GetPipelineOutput{Pipeline: &p, Metadata: &api.PipelineMetadata{
		PipelineArn: new(pipelineARN(c.Scope, *in.Name)), Created: op.At(d.Value.Created), Updated: op.At(d.Value.Updated),
	}}, nil
}

func (s *Service) listPipelines(ctx context.Context, r store.Reader, c op.Caller, in *api.ListPipelinesInput) (*api.ListPipelinesOutput, error) {
	limit := int(op.Or(in.MaxResults, 1000))
	docs, err := pipelines.List(ctx, r, c.Scope, store.Query{After: op.Val(in.NextToken), Limit: limit + 1})
	if err != nil {
		return nil, listError(err)
	}
	out := &api.ListPipelinesOutput{Pipelines: []api.PipelineSummary{}}
	for i, d := range docs {
		if i == limit {
			out.NextToken = &docs[i-1].Cursor
			break
		}
		p := &d.Value.Definition
		out.Pipelines = append(out.Pipelines, api.PipelineSummary{
			Name: p.Name, Version: p.Version, PipelineType: p.PipelineType, ExecutionMode: p.ExecutionMode,
			Created: op.At(d.Value.Created), Updated: op.At(d.Value.Updated),
		})
	}
	return out, nil
}

func listError(err error) error {
	if errors.Is(err, store.ErrCursor) {
		return api.InvalidNextTokenException("The next token is invalid")
	}
	return fmt.Errorf("list: %w", err)
}

func (s *Service) updatePipeline(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdatePipelineInput) (*api.UpdatePipelineOutput, error) {
	p := *in.Pipeline
	d, err := s.pipeline(ctx, tx, c.Scope, p.Name)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, tx, c, &p); err != nil {
		return nil, err
	}
	normalise(&p)
	p.Version = new(*d.Value.Definition.Version + 1)
	wasParallel := mode(&d.Value.Definition) == api.ExecutionModeParallel
	d.Value.Definition, d.Value.Updated = p, s.Clock.Now()
	if _, err := pipelines.Put(ctx, tx, c.Scope, *p.Name, d.Value, d.Version); err != nil {
		return nil, fmt.Errorf("store pipeline %s: %w", *p.Name, err)
	}
	if _, err := versions.Put(ctx, tx, c.Scope, versionKey(*p.Name, *p.Version), p, 0); err != nil {
		return nil, fmt.Errorf("store version of %s: %w", *p.Name, err)
	}
	l, err := lanes.Get(ctx, tx, c.Scope, *p.Name)
	if err != nil {
		return nil, fmt.Errorf("read stages of %s: %w", *p.Name, err)
	}
	l.Value.fit(&p)
	if _, err := lanes.Put(ctx, tx, c.Scope, *p.Name, l.Value, l.Version); err != nil {
		return nil, fmt.Errorf("store stages of %s: %w", *p.Name, err)
	}
	if err := s.watch(ctx, tx, c.Scope, &p); err != nil {
		return nil, err
	}
	if wasParallel { // its executions go on with the definition they have
		return &api.UpdatePipelineOutput{Pipeline: &p}, nil
	}
	return &api.UpdatePipelineOutput{Pipeline: &p}, s.each(ctx, tx, c.Scope, *p.Name, "live", func(x store.Doc[Execution]) error {
		return s.send(ctx, tx, c.Scope, x.Key, engine.Event{Name: evCancel})
	})
}

// each calls f for the executions of a pipeline in an index.
func (s *Service) each(ctx context.Context, r store.Reader, scope store.Scope, name, index string, f func(store.Doc[Execution]) error) error {
	q := store.Query{Index: index, Equal: name}
	if index == "pipeline" {
		q = store.Query{Index: index, Prefix: name + "/"}
	}
	docs, err := executions.List(ctx, r, scope, q)
	if err != nil {
		return fmt.Errorf("read executions of %s: %w", name, err)
	}
	for _, d := range docs {
		if err := f(d); err != nil {
			return err
		}
	}
	return nil
}

// deletePipeline forgets a pipeline with its history. What its actions started goes on.
func (s *Service) deletePipeline(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeletePipelineInput) (*api.DeletePipelineOutput, error) {
	name := *in.Name
	d, err := pipelines.Get(ctx, tx, c.Scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return &api.DeletePipelineOutput{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read pipeline %s: %w", name, err)
	}
	err = s.each(ctx, tx, c.Scope, name, "pipeline", func(x store.Doc[Execution]) error {
		return executions.Delete(ctx, tx, c.Scope, x.Key, x.Version)
	})
	if err != nil {
		return nil, err
	}
	old, err := versions.List(ctx, tx, c.Scope, store.Query{Prefix: name + "/"})
	if err != nil {
		return nil, fmt.Errorf("read versions of %s: %w", name, err)
	}
	for _, v := range old {
		if err := versions.Delete(ctx, tx, c.Scope, v.Key, v.Version); err != nil {
			return nil, fmt.Errorf("delete version of %s: %w", name, err)
		}
	}
	l, err := lanes.Get(ctx, tx, c.Scope, name)
	if err != nil {
		return nil, fmt.Errorf("read stages of %s: %w", name, err)
	}
	if w, err := pollers.Get(ctx, tx, c.Scope, name); err == nil {
		if err := pollers.Delete(ctx, tx, c.Scope, name, w.Version); err != nil {
			return nil, fmt.Errorf("stop polling for %s: %w", name, err)
		}
	}
	return &api.DeletePipelineOutput{}, errors.Join(lanes.Delete(ctx, tx, c.Scope, name, l.Version), pipelines.Delete(ctx, tx, c.Scope, name, d.Version))
}
