package ecr_test

import (
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/registry"
	"github.com/penstock-ci/penstock/internal/service/ecr"
)

func TestTagsOfARepositoryDecide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("team/app"), Tags: []api.Tag{{Key: new("team"), Value: new("a")}}})
	e := dispatchtest.Enforce(t, b.DB, ecr.New(ecr.Deps{Records: b.records}))
	for _, key := range []string{"aws:ResourceTag/team", "ecr:ResourceTag/team"} {
		e.Decides(t, key, "a", dispatchtest.Asking(t, e, api.DescribeRepositories, &api.DescribeRepositoriesInput{RepositoryNames: []string{"team/app"}}))
	}
}

func TestConditionsHoldAtTheRegistryAsAtTheAPI(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(b, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("app"), Tags: []api.Tag{{Key: new("team"), Value: new("a")}}})
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	tokens := registry.Tokens{Keys: keys, Clock: clock.System{}}
	e := dispatchtest.Enforce(t, b.DB, ecr.New(ecr.Deps{Records: b.records, Tokens: tokens, Clock: clock.System{}}))
	from := op.Origin{}
	server := httptest.NewServer(registry.NewHandler(registry.Deps{
		DB: b.DB, Records: b.records, Tokens: tokens, Guard: e, Log: slog.New(slog.DiscardHandler),
		Origin: func(context.Context) op.Origin { return from },
	}))
	t.Cleanup(server.Close)
	list := func(c op.Caller) error {
		out, err := op.Call(t.Context(), e, c, api.GetAuthorizationToken, &api.GetAuthorizationTokenInput{})
		if err != nil {
			return err
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/app/tags/list", nil)
		if err != nil {
			return err
		}
		basic, err := base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken)
		if err != nil {
			return err
		}
		user, password, _ := strings.Cut(string(basic), ":")
		r.Host = dispatchtest.Account + ".dkr.ecr." + dispatchtest.Region + ".amazonaws.com"
		r.SetBasicAuth(user, password)
		answer, err := server.Client().Do(r)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.Body.Close() != nil || answer.StatusCode == http.StatusOK {
			return err
		}
		return &op.Error{Code: answer.Status, Message: string(text)}
	}
	for key, tc := range map[string]struct {
		value string
		from  op.Origin
	}{
		"aws:SourceVpc":        {"vpc-1", op.Origin{Address: netip.MustParseAddr("10.0.0.9"), VPC: "vpc-1"}},
		"aws:VpcSourceIp":      {"10.0.0.9", op.Origin{Address: netip.MustParseAddr("10.0.0.9"), VPC: "vpc-1"}},
		"aws:SourceIp":         {"203.0.113.7", op.Origin{Address: netip.MustParseAddr("203.0.113.7")}},
		"ecr:ResourceTag/team": {"a", op.Origin{}},
	} {
		from = tc.from
		const token = `{"Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"}`
		for value, allowed := range map[string]bool{tc.value: true, "another": false} {
			may := e.May(t, token, `{"Effect":"Allow","Action":"ecr:ListImages","Resource":"*","Condition":{"StringEquals":{"`+key+`":"`+value+`"}}}`)
			if err := list(may); (err == nil) != allowed {
				t.Errorf("%s allowed where it is %s: got %v, want it allowed to be %t", key, value, err, allowed)
			}
			mayNot := e.May(t, dispatchtest.All, `{"Effect":"Deny","Action":"ecr:ListImages","Resource":"*","Condition":{"StringEquals":{"`+key+`":"`+value+`"}}}`)
			if err := list(mayNot); dispatchtest.IsDenied(err) != allowed {
				t.Errorf("%s denied where it is %s: got %v, want it denied to be %t", key, value, err, allowed)
			}
		}
	}
}
