package iam

import (
	"context"
	"errors"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/store"
)

// Resolve puts the path into the ARN of an entity that exists, as policies name
// it: role/NAME becomes role/service-role/NAME. wiring gives it to the dispatcher.
func (s *Service) Resolve(ctx context.Context, r store.Reader, named string) (string, error) {
	id, ok := arn.Parse(named)
	if !ok || strings.Count(id.Resource, "/") != 1 {
		return named, nil
	}
	kind, name, _ := strings.Cut(id.Resource, "/")
	found, err := named, error(nil)
	switch kind {
	case "role":
		var d store.Doc[identity.Role]
		d, err = s.Records.Roles.Get(ctx, r, identity.In(id.Account), identity.Key(name))
		found = d.Value.ARN()
	case "user":
		var d store.Doc[identity.User]
		d, err = s.Records.Users.Get(ctx, r, identity.In(id.Account), identity.Key(name))
		found = d.Value.ARN()
	case "group":
		var d store.Doc[identity.Group]
		d, err = s.Records.Groups.Get(ctx, r, identity.In(id.Account), identity.Key(name))
		found = d.Value.ARN()
	case "instance-profile":
		var d store.Doc[identity.InstanceProfile]
		d, err = s.Records.Profiles.Get(ctx, r, identity.In(id.Account), identity.Key(name))
		found = d.Value.ARN()
	}
	if errors.Is(err, store.ErrNotFound) {
		return named, nil
	}
	return found, err
}
