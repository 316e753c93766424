package codepipeline_test

import (
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/op"
)

func TestDefinitionsAreRefusedInAWSsWords(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for want, change := range map[string]func(p *api.PipelineDeclaration){
		"InvalidStructureException: Pipeline has only 1 stages. There should be a minimum of 2 stages in a pipeline":       func(p *api.PipelineDeclaration) { p.Stages = p.Stages[:1] },
		"InvalidStructureException: Pipeline should start with a stage that only contains source actions":                  func(p *api.PipelineDeclaration) { p.Stages = p.Stages[1:] },
		"InvalidStructureException: Source actions can only be included in the first stage of the pipeline":                func(p *api.PipelineDeclaration) { p.Stages[1].Actions = p.Stages[0].Actions },
		"InvalidStructureException: QUEUED or PARALLEL mode can only be used with V2 pipelines":                            func(p *api.PipelineDeclaration) { p.PipelineType, p.ExecutionMode = new("V1"), new("QUEUED") },
		"InvalidStageDeclarationException: Stage name 'Build' is used more than once":                                      func(p *api.PipelineDeclaration) { p.Stages[2].Name = new("Build") },
		"InvalidActionDeclarationException: Action configuration for action 'CodeBuild' is missing required configuration": func(p *api.PipelineDeclaration) { delete(p.Stages[1].Actions[0].Configuration, "ProjectName") },
		"InvalidActionDeclarationException: Action configuration for action 'ECS' contains unknown configuration 'X'":      func(p *api.PipelineDeclaration) { p.Stages[2].Actions[0].Configuration["X"] = "y" },
		"InvalidActionDeclarationException: ActionType (Category: 'Build', Provider: 'CodeBuild', Owner: 'AWS', Version: '2') in action 'CodeBuild' is not available in region 'US_EAST_1'": func(p *api.PipelineDeclaration) {
			p.Stages[1].Actions[0].ActionTypeId.Version = new("2")
		},
		"InvalidActionDeclarationException: Input Artifact Bundle nope in action ECS is not declared as Output Artifact Bundle in any of the preceding actions": func(p *api.PipelineDeclaration) {
			p.Stages[2].Actions[0].InputArtifacts[0].Name = new("nope")
		},
		"InvalidActionDeclarationException: Valid format for a pipeline execution variable reference": func(p *api.PipelineDeclaration) {
			p.Stages[2].Actions[0].Configuration["FileName"] = "#{Nobody.X}"
		},
		"InvalidStructureException: The referenced variables haven't been declared.\nStageName=[Deploy], ActionName=[ECS], ActionConfigurationKey=[FileName], VariableReferenceText=[variables.X]": func(p *api.PipelineDeclaration) {
			p.Stages[2].Actions[0].Configuration["FileName"] = "#{variables.X}"
		},
		"InvalidActionDeclarationException: Namespaces must be unique across the pipeline definition.": func(p *api.PipelineDeclaration) {
			p.Stages[1].Actions[0].Namespace = new("SourceVariables")
		},
		"ValidationException: Your pipeline must have either": func(p *api.PipelineDeclaration) { p.ArtifactStore = nil },
		"InvalidStageDeclarationException: Stage level conditions can only be": func(p *api.PipelineDeclaration) {
			p.Stages[1].OnFailure = &api.FailureConditions{Result: new("RETRY")}
		},
	} {
		p := demo()
		p.Name = new("refused")
		change(p)
		_, err := op.Call(t.Context(), w, w.Root(), api.CreatePipeline, &api.CreatePipelineInput{Pipeline: p})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s\n got %v", want, err)
		}
	}
}

func TestPipelineComesBackAsItWasGiven(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := demo()
	w.create(p)
	got := call(w, api.GetPipeline, &api.GetPipelineInput{Name: p.Name})
	a := got.Pipeline.Stages[2].Actions[0]
	if *got.Pipeline.Version != 1 || *got.Pipeline.PipelineType != "V1" || *a.RunOrder != 1 || len(a.Configuration) != 3 || a.OutputArtifacts == nil {
		t.Errorf("it came back as %+v", a)
	}
	got.Pipeline.Stages[2].Actions[0].Configuration["FileName"] = "images.json"
	up := call(w, api.UpdatePipeline, &api.UpdatePipelineInput{Pipeline: got.Pipeline})
	if *up.Pipeline.Version != 2 {
		t.Errorf("the update made version %d", *up.Pipeline.Version)
	}
	old := call(w, api.GetPipeline, &api.GetPipelineInput{Name: p.Name, Version: new(int32(1))})
	if _, ok := old.Pipeline.Stages[2].Actions[0].Configuration["FileName"]; ok {
		t.Error("version 1 has changed")
	}
}
