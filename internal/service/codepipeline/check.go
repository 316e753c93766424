package codepipeline

import (
	"context"
	"fmt"
	"strings"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/store"
)

// check refuses what AWS refuses in a definition: structure, stages, actions, roles.
// It never looks whether what actions name exists.
func (s *Service) check(ctx context.Context, r store.Reader, c op.Caller, p *api.PipelineDeclaration) error {
	for _, check := range []func() error{
		func() error { return checkStore(c.Region, p) },
		func() error { return checkStructure(p) },
		func() error { return checkStages(p) },
		func() error { return s.checkActions(c.Region, p) },
		func() error { return checkArtifacts(p) },
		func() error { return checkReferences(p) },
		func() error { return s.checkRoles(ctx, r, c, p) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func checkStore(region string, p *api.PipelineDeclaration) error {
	if (p.ArtifactStore == nil) == (len(p.ArtifactStores) == 0) {
		return api.ValidationException("Your pipeline must have either 'pipeline.artifactStore' or 'pipeline.artifactStores', and not both.")
	}
	if _, ok := storeOf(p, region); !ok {
		return api.ValidationException("Your pipeline must have an artifact store, such as an artifact bucket, for each region where you have an action. The following region is missing in 'pipeline.artifactStores': %s.", region)
	}
	return nil
}

func checkStructure(p *api.PipelineDeclaration) error {
	if n := len(p.Stages); n < 2 {
		return api.InvalidStructureException("Pipeline has only %d stages. There should be a minimum of 2 stages in a pipeline", n)
	} else if n > 50 {
		return api.InvalidStructureException("Pipeline has too many stages. There can only be up to 50 stages in a pipeline")
	}
	others := 0
	for i, st := range p.Stages {
		for j := range st.Actions {
			switch source := isSource(&st.Actions[j]); {
			case i == 0 && !source:
				return api.InvalidStructureException("Pipeline should start with a stage that only contains source actions")
			case i > 0 && source:
				return api.InvalidStructureException("Source actions can only be included in the first stage of the pipeline")
			case !source:
				others++
			}
		}
	}
	if others == 0 {
		return api.InvalidStructureException("Pipeline should contain at least 1 action whose category is not Source")
	}
	if pipelineType(p) == api.PipelineTypeV1 {
		switch {
		case mode(p) != api.ExecutionModeSuperseded:
			return api.InvalidStructureException("QUEUED or PARALLEL mode can only be used with V2 pipelines")
		case len(p.Variables) > 0:
			return api.InvalidStructureException("Pipeline variable can only be used with V2 pipelines")
		case len(p.Triggers) > 0:
			return api.InvalidStructureException("Triggers on tag can only be used with V2 pipelines")
		}
	}
	if len(p.Triggers) > 0 { // there is no connection action that one could refer to
		return api.InvalidStructureException("Triggers for connections must reference a CodeStarSourceConnection action.")
	}
	seen := map[string]bool{}
	for _, v := range p.Variables {
		if seen[op.Val(v.Name)] {
			return api.InvalidStructureException("Variable names must be unique. The following variable name is already in use: %s", op.Val(v.Name))
		}
		seen[op.Val(v.Name)] = true
	}
	return nil
}

func checkStages(p *api.PipelineDeclaration) error {
	seen := map[string]bool{}
	for _, st := range p.Stages {
		name := op.Val(st.Name)
		if seen[name] {
			return api.InvalidStageDeclarationException("Stage name '%s' is used more than once", name)
		}
		seen[name] = true
		if len(st.Actions) == 0 {
			return api.InvalidStageDeclarationException("Stage '%s' has no actions. There should be at least 1 action in a stage", name)
		}
		if err := checkGates(p, st, name); err != nil {
			return err
		}
		actions := map[string]bool{}
		for _, a := range st.Actions {
			if actions[op.Val(a.Name)] {
				return api.InvalidActionDeclarationException("Action name '%s' is used more than once in stage '%s'", op.Val(a.Name), name)
			}
			actions[op.Val(a.Name)] = true
		}
	}
	return nil
}

// checkGates admits onFailure RETRY; conditions and rollback by itself are not done here.
func checkGates(p *api.PipelineDeclaration, st api.StageDeclaration, name string) error {
	if st.BeforeEntry == nil && st.OnSuccess == nil && st.OnFailure == nil {
		return nil
	}
	if pipelineType(p) != api.PipelineTypeV2 {
		return api.InvalidStageDeclarationException("Stage level conditions can only be used with V2 pipelines.")
	}
	f := st.OnFailure
	if f != nil && op.Val(f.Result) != "" && len(f.Conditions) > 0 {
		return api.InvalidStageDeclarationException("The following stage cannot have a failure exit gate configured with both top level result and conditions: '%s", name)
	}
	if f != nil && op.Val(f.Result) == api.ResultRollback && mode(p) == api.ExecutionModeParallel {
		return api.InvalidStageDeclarationException("Failure conditions with rollback result type cannot be added to a PARALLEL pipeline.")
	}
	if st.BeforeEntry != nil || st.OnSuccess != nil || len(f.Conditions) > 0 || op.Val(f.Result) != api.ResultRetry {
		return api.InvalidStageDeclarationException("Stage '%s' has conditions, which are not supported here: only onFailure with the result RETRY is. Call RollbackStage to roll a stage back", name)
	}
	return nil
}

func (s *Service) checkActions(region string, p *api.PipelineDeclaration) error {
	for i := range p.Stages {
		for j := range p.Stages[i].Actions {
			if err := s.checkAction(region, &p.Stages[i].Actions[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) checkAction(region string, a *api.ActionDeclaration) error {
	name, id := op.Val(a.Name), typeID(a.ActionTypeId)
	provider := s.providers[id]
	if provider == nil {
		return api.InvalidActionDeclarationException("ActionType (Category: '%s', Provider: '%s', Owner: '%s', Version: '%s') in action '%s' is not available in region '%s'",
			id.Category, id.Provider, id.Owner, id.Version, name, strings.ToUpper(strings.ReplaceAll(region, "-", "_")))
	}
	t := provider.Type()
	known := map[string]bool{}
	for _, property := range t.Properties {
		known[property.Name] = true
		if property.Required && a.Configuration[property.Name] == "" {
			return api.InvalidActionDeclarationException("Action configuration for action '%s' is missing required configuration '%s'", name, property.Name)
		}
	}
	for key := range a.Configuration {
		if !known[key] {
			return api.InvalidActionDeclarationException("Action configuration for action '%s' contains unknown configuration '%s'", name, key)
		}
	}
	if len(a.Commands) > 0 || len(a.OutputVariables) > 0 || len(a.EnvironmentVariables) > 0 {
		return api.InvalidActionDeclarationException("Action '%s' of type %s does not take commands, environmentVariables or outputVariables", name, id.Provider)
	}
	if a.TimeoutInMinutes != nil && id.Category != api.ActionCategoryApproval {
		return api.InvalidActionDeclarationException("Action '%s' has a timeoutInMinutes, which only Manual approval actions can have", name)
	}
	if other := op.Val(a.Region); other != "" && other != region {
		return api.InvalidActionDeclarationException("Action '%s' is in region %s. Actions in another region than the pipeline's, %s, are not supported here", name, other, region)
	}
	if err := checkCount(name, "input", len(a.InputArtifacts), t.Inputs); err != nil {
		return err
	}
	if err := checkCount(name, "output", len(a.OutputArtifacts), t.Outputs); err != nil {
		return err
	}
	if c, ok := provider.(action.Checker); ok {
		if problem := c.Check(name, a.Configuration); problem != "" {
			return api.InvalidActionDeclarationException("%s", problem)
		}
	}
	return nil
}

func checkCount(name, kind string, n int, r action.Range) error {
	if n < r.Min || n > r.Max {
		return api.InvalidActionDeclarationException("Action '%s' has %d %s artifacts. It should have a minimum of %d and a maximum of %d", name, n, kind, r.Min, r.Max)
	}
	return nil
}

// checkRoles asks for iam:PassRole and the roles' trust.
func (s *Service) checkRoles(ctx context.Context, r store.Reader, c op.Caller, p *api.PipelineDeclaration) error {
	pipeline := pipelineARN(c.Scope, op.Val(p.Name))
	pass := map[string]string{"iam:PassedToService": action.Principal, "iam:AssociatedResourceArn": pipeline}
	role := op.Val(p.RoleArn)
	if err := s.Guard.Allow(ctx, r, c, "iam:PassRole", role, pass); err != nil {
		return err
	}
	if err := s.Guard.Trusts(ctx, r, role, action.Principal); err != nil {
		return api.InvalidStructureException("CodePipeline is not authorized to perform AssumeRole on role %s", role)
	}
	for i := range p.Stages {
		for _, a := range p.Stages[i].Actions {
			own := op.Val(a.RoleArn)
			if own == "" || own == role {
				continue
			}
			if err := s.Guard.Allow(ctx, r, c, "iam:PassRole", own, pass); err != nil {
				return fmt.Errorf("role of action %s: %w", op.Val(a.Name), err)
			}
			as := op.As(c.Scope, role, cut(*p.Name, 64), action.Principal, "").For(pipeline)
			if err := s.Guard.Allow(ctx, r, as, "sts:AssumeRole", own, nil); err != nil {
				return api.InvalidStructureException("%s is not authorized to perform AssumeRole on role %s", role, own)
			}
		}
	}
	return nil
}
