package ssm

import (
	"context"
	"regexp"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// labelMax is AWS's quota per version.
const labelMax = 10

var labelForm = regexp.MustCompile(`^[A-Za-z_.\-][A-Za-z0-9_.\-]{0,99}$`)

func isLabel(l string) bool {
	low := strings.ToLower(l)
	return labelForm.MatchString(l) && !strings.HasPrefix(low, "aws") && !strings.HasPrefix(low, "ssm")
}

func (p *Parameter) numbered(number *int64) (*Version, error) {
	if number == nil {
		return p.latest(), nil
	}
	for i := range p.Versions {
		if p.Versions[i].Number == *number {
			return &p.Versions[i], nil
		}
	}
	return nil, api.ParameterVersionNotFound("Systems Manager could not find version %d of %s. Verify the version and try again.", *number, p.Name)
}

// labelParameterVersion: a label that another version has moves.
func (s *Service) labelParameterVersion(ctx context.Context, tx store.Tx, c op.Caller, in *api.LabelParameterVersionInput) (*api.LabelParameterVersionOutput, error) {
	d, err := s.find(ctx, tx, c, *in.Name)
	if err != nil {
		return nil, err
	}
	v, err := d.Value.numbered(in.ParameterVersion)
	if err != nil {
		return nil, err
	}
	out := &api.LabelParameterVersionOutput{InvalidLabels: []string{}, ParameterVersion: new(v.Number)}
	for _, label := range in.Labels {
		if !isLabel(label) {
			out.InvalidLabels = append(out.InvalidLabels, label)
			continue
		}
		for i := range d.Value.Versions {
			other := &d.Value.Versions[i]
			other.Labels = slices.DeleteFunc(other.Labels, func(l string) bool { return l == label })
		}
		v.Labels = append(v.Labels, label)
	}
	if len(v.Labels) > labelMax {
		return nil, api.ParameterVersionLabelLimitExceeded("A parameter version can have a maximum of %d labels.", labelMax)
	}
	_, err = s.parameters.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return out, err
}

func (s *Service) unlabelParameterVersion(ctx context.Context, tx store.Tx, c op.Caller, in *api.UnlabelParameterVersionInput) (*api.UnlabelParameterVersionOutput, error) {
	d, err := s.find(ctx, tx, c, *in.Name)
	if err != nil {
		return nil, err
	}
	v, err := d.Value.numbered(in.ParameterVersion)
	if err != nil {
		return nil, err
	}
	out := &api.UnlabelParameterVersionOutput{RemovedLabels: []string{}, InvalidLabels: []string{}}
	for _, label := range in.Labels {
		i := slices.Index(v.Labels, label)
		if i < 0 {
			out.InvalidLabels = append(out.InvalidLabels, label)
			continue
		}
		v.Labels = slices.Delete(v.Labels, i, i+1)
		out.RemovedLabels = append(out.RemovedLabels, label)
	}
	_, err = s.parameters.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return out, err
}
