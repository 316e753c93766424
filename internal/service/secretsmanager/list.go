package secretsmanager

import (
	"context"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const pageSize = 100

// page goes on after the item that the token names.
func page[T any](all []T, id func(T) string, token *string, limit *int32) ([]T, *string, error) {
	start := 0
	if token != nil {
		i := slices.IndexFunc(all, func(v T) bool { return id(v) == *token })
		if i < 0 {
			return nil, nil, api.InvalidNextTokenException("Invalid pagination token.")
		}
		start = i + 1
	}
	end := min(start+int(op.Or(limit, pageSize)), len(all))
	if end == len(all) {
		return all[start:], nil, nil
	}
	return all[start:end], new(id(all[end-1])), nil
}

func (s *Service) listSecrets(ctx context.Context, r store.Reader, c op.Caller, in *api.ListSecretsInput) (*api.ListSecretsOutput, error) {
	docs, err := s.secrets.List(ctx, r, c.Scope, store.Query{})
	if err != nil {
		return nil, err
	}
	var all []Secret
	for _, d := range docs {
		v := d.Value
		if s.isGone(v) || v.isDeleted() && !op.Val(in.IncludePlannedDeletion) || !passes(v, in.Filters) {
			continue
		}
		all = append(all, v)
	}
	order(all, op.Or(in.SortBy, api.SortByTypeCreatedDate), op.Val(in.SortOrder) == api.SortOrderTypeAsc)
	all, next, err := page(all, func(v Secret) string { return v.Name }, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &api.ListSecretsOutput{SecretList: []api.SecretListEntry{}, NextToken: next}
	for _, v := range all {
		out.SecretList = append(out.SecretList, api.SecretListEntry{
			ARN: new(v.ARN()), Name: new(v.Name), Description: op.Opt(v.Description), KmsKeyId: op.Opt(v.KMSKey), LastChangedDate: op.At(v.Changed),
			DeletedDate: op.At(v.DeletedAt), Tags: showTags(v.Tags), SecretVersionsToStages: v.stages(), CreatedDate: op.At(v.Created), OwningService: op.Opt(v.Owner),
		})
	}
	return out, nil
}

func order(all []Secret, by string, ascending bool) {
	slices.SortStableFunc(all, func(a, b Secret) int {
		n := a.Created.Compare(b.Created)
		switch by {
		case api.SortByTypeName:
			n = strings.Compare(a.Name, b.Name)
		case api.SortByTypeLastChangedDate:
			n = a.Changed.Compare(b.Changed)
		}
		if ascending {
			return n
		}
		return -n
	})
}

// passes: filters AND, values of one OR; prefixes, "!" negates.
func passes(v Secret, filters []api.Filter) bool {
	for _, f := range filters {
		if !slices.ContainsFunc(f.Values, func(want string) bool {
			want, negated := strings.CutPrefix(want, "!")
			return matches(v, op.Val(f.Key), want) != negated
		}) {
			return false
		}
	}
	return true
}

func matches(v Secret, key, want string) bool {
	var texts []string
	folded := false
	switch key {
	case api.FilterNameStringTypeName:
		texts = []string{v.Name}
	case api.FilterNameStringTypeDescription:
		texts, folded = words(v.Description), true
	case api.FilterNameStringTypeTagKey:
		for k := range v.Tags {
			texts = append(texts, k)
		}
	case api.FilterNameStringTypeTagValue:
		for _, t := range v.Tags {
			texts = append(texts, t)
		}
	case api.FilterNameStringTypeOwningService:
		texts = []string{v.Owner}
	case api.FilterNameStringTypeAll:
		texts, folded = append(append(words(v.Description), words(v.Name)...), v.Name), true
		for k, t := range v.Tags {
			texts = append(texts, k, t)
		}
	}
	return slices.ContainsFunc(texts, func(have string) bool {
		if folded {
			have, want = strings.ToLower(have), strings.ToLower(want)
		}
		return strings.HasPrefix(have, want)
	})
}

// words lets a filter find the beginning of any word of a text.
func words(text string) []string {
	return append(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" /_+=.@-!", r) }), text)
}
