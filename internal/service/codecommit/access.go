package codecommit

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/penstock-ci/penstock/internal/git"
	"github.com/penstock-ci/penstock/internal/gitauth"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// GitHandler serves the repositories' clone URLs.
func (s *Service) GitHandler() http.Handler { return &git.Handler{Authorise: s.authorise, Log: s.Log} }

// authorise answers one Git call: who is it, may it pull or push, which repository.
func (s *Service) authorise(ctx context.Context, in git.Request) (*git.Session, error) {
	caller, err := s.caller(ctx, in)
	if err != nil {
		return nil, err
	}
	caller.Origin = s.origin(in)
	questions, err := questions(in)
	if err != nil {
		return nil, &git.Refusal{Status: http.StatusBadRequest, Message: err.Error()}
	}
	action := "codecommit:GitPull"
	if in.Write {
		action = "codecommit:GitPush"
	}
	var row Repository
	err = s.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		for _, keys := range questions {
			if err := s.Guard.Allow(ctx, r, caller, action, repositoryARN(caller, &in.Name)[0], keys); err != nil {
				return err
			}
		}
		d, err := s.load(ctx, r, caller.Scope, &in.Name)
		row = d.Value
		return err
	})
	if refused, ok := errors.AsType[*op.Error](err); ok {
		status := http.StatusForbidden
		if refused.Code == "RepositoryDoesNotExistException" {
			status = http.StatusNotFound
		}
		return nil, &git.Refusal{Status: status, Message: refused.Message}
	}
	if err != nil {
		return nil, err
	}
	repository, err := s.Git.Open(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	return &git.Session{Repository: repository, Pushed: func(ctx context.Context) error {
		return s.told(ctx, caller.Scope, in.Name, caller.ARN)
	}}, nil
}

// questions are the condition keys that permission is asked with: once for each
// reference that a push moves, once without where none is told.
func questions(in git.Request) (all []map[string]string, err error) {
	var moved []string
	if in.References != nil {
		if moved, err = in.References(); err != nil {
			return nil, err
		}
	}
	for _, name := range moved {
		all = append(all, map[string]string{references: name})
	}
	if len(all) == 0 {
		all = append(all, nil)
	}
	return all, nil
}

// origin is where Git's request came from.
func (s *Service) origin(in git.Request) (o op.Origin) {
	if s.Origin != nil {
		o = s.Origin(in.HTTP.Context())
	}
	o.UserAgent, o.TLS = in.HTTP.UserAgent(), in.HTTP.TLS != nil
	return o
}

// caller checks the password: of the credential helper (a signature by an access
// key) or an IAM user's own for Git.
func (s *Service) caller(ctx context.Context, in git.Request) (op.Caller, error) {
	if in.Username == "" {
		return op.Caller{}, &git.Refusal{Status: http.StatusUnauthorized, Message: "credentials are needed: use `penstock git-credential` or `aws codecommit credential-helper` as Git's credential helper"}
	}
	host, _, _ := strings.Cut(in.HTTP.Host, ":")
	key, token, _ := strings.Cut(in.Username, "%")
	if !strings.HasPrefix(key, "AKIA") && !strings.HasPrefix(key, "ASIA") {
		caller, err := s.Credentials.ServiceSpecific(ctx, "codecommit.amazonaws.com", in.Username, in.Password)
		if err != nil {
			return op.Caller{}, unauthorized(err)
		}
		caller.Region = region(host)
		return caller, nil
	}
	secret, caller, err := s.Credentials.Lookup(ctx, key, token)
	if err != nil {
		return op.Caller{}, unauthorized(err)
	}
	caller.Region = region(host)
	if caller.Region != "" {
		return caller, unauthorized(gitauth.Check(in.Password, secret, caller.Region, host, in.Path, s.Clock.Now()))
	}
	// A host without region (the endpoint's address): the helper signed with the
	// client's own region, which is tried from those that have the repository.
	return s.callerOfRegion(ctx, caller, in, secret, host)
}

func (s *Service) callerOfRegion(ctx context.Context, caller op.Caller, in git.Request, secret, host string) (op.Caller, error) {
	var found []store.Doc[Repository]
	err := s.DB.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		found, err = s.repositories.List(ctx, r, store.Scope{Account: caller.Account}, store.Query{Equal: in.Name})
		return err
	})
	if err != nil {
		return op.Caller{}, err
	}
	last := error(&git.Refusal{Status: http.StatusNotFound, Message: in.Name + " does not exist"})
	for _, d := range found {
		if last = gitauth.Check(in.Password, secret, d.Scope.Region, host, in.Path, s.Clock.Now()); last == nil {
			caller.Region = d.Scope.Region
			return caller, nil
		}
	}
	return op.Caller{}, unauthorized(last)
}

// region is that of git-codecommit.REGION.amazonaws.com.
func region(host string) string {
	p := strings.Split(host, ".")
	if len(p) >= 4 && strings.HasPrefix(p[0], "git-codecommit") {
		return p[1]
	}
	return ""
}

func unauthorized(err error) error {
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*git.Refusal](err); ok {
		return refusal
	}
	return &git.Refusal{Status: http.StatusUnauthorized, Message: err.Error()}
}
