package codepipeline

import (
	"context"

	api "github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codepipeline/action"
	"github.com/penstock-ci/penstock/internal/store"
)

// types are the action types by their names.
func (s *Service) types() map[action.ID]action.Type {
	out := map[action.ID]action.Type{}
	for id, p := range s.providers {
		out[id] = p.Type()
	}
	return out
}

func (s *Service) listActionTypes(_ context.Context, _ store.Reader, _ op.Caller, in *api.ListActionTypesInput) (*api.ListActionTypesOutput, error) {
	out := &api.ListActionTypesOutput{ActionTypes: []api.ActionType{}}
	for _, p := range providers(s.AWS) { // in the order of the list
		t := p.Type()
		if owner := op.Val(in.ActionOwnerFilter); owner != "" && owner != t.Owner {
			continue
		}
		shown := api.ActionType{
			Id:                            &api.ActionTypeId{Category: &t.Category, Owner: &t.Owner, Provider: &t.ID.Provider, Version: &t.Version},
			Settings:                      &api.ActionTypeSettings{},
			InputArtifactDetails:          &api.ArtifactDetails{MinimumCount: new(int32(t.Inputs.Min)), MaximumCount: new(int32(t.Inputs.Max))},
			OutputArtifactDetails:         &api.ArtifactDetails{MinimumCount: new(int32(t.Outputs.Min)), MaximumCount: new(int32(t.Outputs.Max))},
			ActionConfigurationProperties: []api.ActionConfigurationProperty{},
		}
		for _, property := range t.Properties {
			shown.ActionConfigurationProperties = append(shown.ActionConfigurationProperties, api.ActionConfigurationProperty{
				Name: new(property.Name), Required: new(property.Required), Key: new(property.Required), Secret: new(property.Secret),
			})
		}
		out.ActionTypes = append(out.ActionTypes, shown)
	}
	return out, nil
}

func (s *Service) getActionType(_ context.Context, _ store.Reader, _ op.Caller, in *api.GetActionTypeInput) (*api.GetActionTypeOutput, error) {
	id := action.ID{Category: op.Val(in.Category), Owner: op.Val(in.Owner), Provider: op.Val(in.Provider), Version: op.Val(in.Version)}
	p := s.providers[id]
	if p == nil {
		return nil, api.ActionTypeNotFoundException("ActionType (Category: '%s', Provider: '%s', Owner: '%s', Version: '%s') is not available", id.Category, id.Provider, id.Owner, id.Version)
	}
	t := p.Type()
	out := &api.ActionTypeDeclaration{
		Id:                    &api.ActionTypeIdentifier{Category: &t.Category, Owner: &t.Owner, Provider: &t.ID.Provider, Version: &t.Version},
		InputArtifactDetails:  &api.ActionTypeArtifactDetails{MinimumCount: new(int32(t.Inputs.Min)), MaximumCount: new(int32(t.Inputs.Max))},
		OutputArtifactDetails: &api.ActionTypeArtifactDetails{MinimumCount: new(int32(t.Outputs.Min)), MaximumCount: new(int32(t.Outputs.Max))},
	}
	for _, property := range t.Properties {
		out.Properties = append(out.Properties, api.ActionTypeProperty{
			Name: new(property.Name), Optional: new(!property.Required), Key: new(property.Required), NoEcho: new(property.Secret),
		})
	}
	return &api.GetActionTypeOutput{ActionType: out}, nil
}
