package ssm

import (
	"strings"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.PutParameter, func(c op.Caller, in *api.PutParameterInput) []string { return named(c, op.Val(in.Name)) }, s.putParameter).
			With(op.KeyMember("ssm:Overwrite", func(in *api.PutParameterInput) *bool { return in.Overwrite })),
		op.Read(api.GetParameter, func(c op.Caller, in *api.GetParameterInput) []string { return named(c, op.Val(in.Name)) }, s.getParameter),
		op.Read(api.GetParameters, func(c op.Caller, in *api.GetParametersInput) []string { return named(c, in.Names...) }, s.getParameters),
		op.Read(api.GetParametersByPath, func(c op.Caller, in *api.GetParametersByPathInput) []string { return named(c, op.Val(in.Path)) }, s.getParametersByPath).
			With(op.KeyMember("ssm:Recursive", func(in *api.GetParametersByPathInput) *bool { return in.Recursive })),
		op.Read(api.GetParameterHistory, func(c op.Caller, in *api.GetParameterHistoryInput) []string { return named(c, op.Val(in.Name)) }, s.getParameterHistory),
		op.Read(api.DescribeParameters, nil, s.describeParameters),
		op.Change(api.DeleteParameter, func(c op.Caller, in *api.DeleteParameterInput) []string { return named(c, op.Val(in.Name)) }, s.deleteParameter),
		op.Change(api.DeleteParameters, func(c op.Caller, in *api.DeleteParametersInput) []string { return named(c, in.Names...) }, s.deleteParameters),
		op.Change(api.LabelParameterVersion, func(c op.Caller, in *api.LabelParameterVersionInput) []string { return named(c, op.Val(in.Name)) }, s.labelParameterVersion),
		op.Change(api.UnlabelParameterVersion, func(c op.Caller, in *api.UnlabelParameterVersionInput) []string { return named(c, op.Val(in.Name)) }, s.unlabelParameterVersion),
		op.Change(api.AddTagsToResource, func(c op.Caller, in *api.AddTagsToResourceInput) []string { return named(c, op.Val(in.ResourceId)) }, s.addTagsToResource),
		op.Change(api.RemoveTagsFromResource, func(c op.Caller, in *api.RemoveTagsFromResourceInput) []string {
			return named(c, op.Val(in.ResourceId))
		}, s.removeTagsFromResource),
		op.Read(api.ListTagsForResource, func(c op.Caller, in *api.ListTagsForResourceInput) []string { return named(c, op.Val(in.ResourceId)) }, s.listTagsForResource),
	}
}

// named are the ARNs that policies are asked about, without version or label.
func named(c op.Caller, ids ...string) []string {
	var out []string
	for _, id := range ids {
		name, _ := split(id)
		if strings.HasPrefix(name, "arn:") {
			out = append(out, name)
			continue
		}
		out = append(out, parameterARN(c.Account, c.Region, strings.TrimSuffix(name, "/")))
	}
	return out
}
