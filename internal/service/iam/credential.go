package iam

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	api "github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	gitService    = "codecommit.amazonaws.com"
	credentialMax = 2 // per user and service, AWS's quota
)

func (s *Service) credentialsOf(ctx context.Context, r store.Reader, account, user string) ([]store.Doc[identity.ServiceCredential], error) {
	return s.Records.ServiceCredentials.List(ctx, r, identity.Everywhere, store.Query{Index: "owner", Equal: identity.KeyOwner(account, user)})
}

func (s *Service) createServiceSpecificCredential(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateServiceSpecificCredentialInput) (*api.CreateServiceSpecificCredentialOutput, error) {
	if *in.ServiceName != gitService {
		return nil, &op.Error{Code: "NotSupportedService", Status: 404, Message: "The specified service " + *in.ServiceName + " is not supported."}
	}
	u, err := s.users.get(ctx, tx, c.Account, *in.UserName)
	if err != nil {
		return nil, err
	}
	have, err := s.credentialsOf(ctx, tx, c.Account, u.Value.Name)
	if err != nil {
		return nil, err
	}
	if len(have) >= credentialMax {
		return nil, api.LimitExceededException("Cannot exceed quota for ServiceSpecificCredentialsPerUser: %d", credentialMax)
	}
	name := u.Value.Name + "-at-" + c.Account
	if len(have) == 1 && have[0].Value.Name == name {
		name = u.Value.Name + "+1-at-" + c.Account
	}
	cred := identity.ServiceCredential{ID: ids.Unique("ACCA", ""), Account: c.Account, User: u.Value.Name, Service: gitService, Name: name, Active: true, Created: s.Clock.Now()}
	password, err := s.setPassword(&cred)
	if err != nil {
		return nil, err
	}
	if _, err := s.Records.ServiceCredentials.Put(ctx, tx, identity.Everywhere, gitService+"/"+name, cred, 0); err != nil {
		return nil, wrap(err, "put credential %s", name)
	}
	return &api.CreateServiceSpecificCredentialOutput{ServiceSpecificCredential: showCredential(cred, password)}, nil
}

func (s *Service) setPassword(c *identity.ServiceCredential) (string, error) {
	raw := make([]byte, 33)
	rand.Read(raw)
	password := base64.StdEncoding.EncodeToString(raw)
	var err error
	if c.Sealed, err = s.Keys.Seal(c.ID, []byte(password)); err != nil {
		return "", fmt.Errorf("seal password: %w", err)
	}
	return password, nil
}

func showCredential(c identity.ServiceCredential, password string) *api.ServiceSpecificCredential {
	return &api.ServiceSpecificCredential{
		CreateDate: op.At(c.Created), ServiceName: new(c.Service), ServiceUserName: new(c.Name), ServicePassword: op.Opt(password),
		ServiceSpecificCredentialId: new(c.ID), UserName: new(c.User), Status: new(status(c.Active)),
	}
}

func (s *Service) listServiceSpecificCredentials(ctx context.Context, r store.Reader, c op.Caller, in *api.ListServiceSpecificCredentialsInput) (*api.ListServiceSpecificCredentialsOutput, error) {
	user, err := s.owner(ctx, r, c, in.UserName)
	if err != nil {
		return nil, err
	}
	all, err := s.credentialsOf(ctx, r, c.Account, user)
	if err != nil {
		return nil, err
	}
	out := &api.ListServiceSpecificCredentialsOutput{ServiceSpecificCredentials: []api.ServiceSpecificCredentialMetadata{}, IsTruncated: new(false)}
	for _, d := range all {
		if in.ServiceName != nil && *in.ServiceName != d.Value.Service {
			continue
		}
		v := showCredential(d.Value, "")
		out.ServiceSpecificCredentials = append(out.ServiceSpecificCredentials, api.ServiceSpecificCredentialMetadata{
			UserName: v.UserName, Status: v.Status, ServiceUserName: v.ServiceUserName, CreateDate: v.CreateDate,
			ServiceSpecificCredentialId: v.ServiceSpecificCredentialId, ServiceName: v.ServiceName,
		})
	}
	return out, nil
}

// credential finds one of the user's by its id.
func (s *Service) credential(ctx context.Context, r store.Reader, c op.Caller, name *string, id string) (store.Doc[identity.ServiceCredential], error) {
	user, err := s.owner(ctx, r, c, name)
	if err != nil {
		return store.Doc[identity.ServiceCredential]{}, err
	}
	all, err := s.credentialsOf(ctx, r, c.Account, user)
	for _, d := range all {
		if d.Value.ID == id {
			return d, nil
		}
	}
	return store.Doc[identity.ServiceCredential]{}, errors.Join(err, api.NoSuchEntityException("Service specific credential with id %s not found.", id))
}

func (s *Service) updateServiceSpecificCredential(ctx context.Context, tx store.Tx, c op.Caller, in *api.UpdateServiceSpecificCredentialInput) (*api.UpdateServiceSpecificCredentialOutput, error) {
	d, err := s.credential(ctx, tx, c, in.UserName, *in.ServiceSpecificCredentialId)
	if err != nil {
		return nil, err
	}
	d.Value.Active = *in.Status == api.StatusTypeActive
	_, err = s.Records.ServiceCredentials.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return &api.UpdateServiceSpecificCredentialOutput{}, err
}

func (s *Service) resetServiceSpecificCredential(ctx context.Context, tx store.Tx, c op.Caller, in *api.ResetServiceSpecificCredentialInput) (*api.ResetServiceSpecificCredentialOutput, error) {
	d, err := s.credential(ctx, tx, c, in.UserName, *in.ServiceSpecificCredentialId)
	if err != nil {
		return nil, err
	}
	password, err := s.setPassword(&d.Value)
	if err != nil {
		return nil, err
	}
	_, err = s.Records.ServiceCredentials.Put(ctx, tx, d.Scope, d.Key, d.Value, d.Version)
	return &api.ResetServiceSpecificCredentialOutput{ServiceSpecificCredential: showCredential(d.Value, password)}, err
}

func (s *Service) deleteServiceSpecificCredential(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteServiceSpecificCredentialInput) (*api.DeleteServiceSpecificCredentialOutput, error) {
	d, err := s.credential(ctx, tx, c, in.UserName, *in.ServiceSpecificCredentialId)
	if err != nil {
		return nil, err
	}
	return &api.DeleteServiceSpecificCredentialOutput{}, s.Records.ServiceCredentials.Delete(ctx, tx, d.Scope, d.Key, d.Version)
}
