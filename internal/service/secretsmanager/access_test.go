package secretsmanager_test

import (
	"context"
	"path/filepath"
	"testing"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/secretsmanager"
	"github.com/penstock-ci/penstock/internal/store"
)

const otherAccount = "200000000002"

// enforced is setup with real policies and the user bob in both accounts.
func enforced(t *testing.T) (*world, op.Caller, op.Caller) {
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	records := identity.NewRecords()
	s := secretsmanager.New(secretsmanager.Deps{Keys: keys, Guard: guard{}})
	w := &world{t: t, service: s}
	authority := identity.New(identity.Deps{Records: records, Keys: keys})
	w.Dispatcher = dispatchtest.With(t, authority, append(records.Tables(), s.Tables()...), s.Handlers()...)
	w.Resolved("secretsmanager", s.Resolve)
	w.Guarded("secretsmanager", s.Policy)
	own, foreign := w.User("bob"), w.User("bob")
	foreign.Account, foreign.ARN = otherAccount, "arn:aws:iam::"+otherAccount+":user/bob"
	err = w.DB.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		for _, account := range []string{dispatchtest.Account, otherAccount} {
			u := identity.User{Principal: identity.Principal{Name: "bob", Path: "/", Account: account, Inline: map[string]string{}}}
			if account == otherAccount {
				u.Inline["all"] = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
			}
			if _, err := records.Users.Put(ctx, tx, identity.In(account), "bob", u, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w, own, foreign
}

func refusedAs(w *world, c op.Caller, id, text string) {
	w.t.Helper()
	w2 := &world{Dispatcher: w.Dispatcher, t: w.t, as: &c}
	refused(w2, api.GetSecretValue, &api.GetSecretValueInput{SecretId: &id}, "AccessDeniedException", text)
}

func TestResourcePolicyGrantsAndDenies(t *testing.T) {
	t.Parallel()
	w, own, foreign := enforced(t)
	secret := *must(w, api.CreateSecret, create("db-secret", "v", token1)).ARN
	refusedAs(w, own, "db-secret", "secretsmanager:GetSecretValue on resource: "+secret+" because no identity-based policy allows")
	refusedAs(w, foreign, secret, "because no resource-based policy allows the secretsmanager:GetSecretValue action")
	must(w, api.PutResourcePolicy, &api.PutResourcePolicyInput{SecretId: &secret, ResourcePolicy: new(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + own.ARN + `","` + foreign.ARN + `"]},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)})
	for _, c := range []op.Caller{own, foreign} {
		if _, err := op.Call(t.Context(), w, c, api.GetSecretValue, &api.GetSecretValueInput{SecretId: &secret}); err != nil {
			t.Error(err)
		}
	}
	must(w, api.PutResourcePolicy, &api.PutResourcePolicyInput{SecretId: &secret, ResourcePolicy: new(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":"` + own.ARN + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)})
	refusedAs(w, w.Root(), "db-secret", "with an explicit deny in a resource-based policy")
}

func TestPublicPolicyIsBlockedWhereAsked(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w, api.CreateSecret, create("s", "v", token1))
	public := new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:*","Resource":"*"}]}`)
	refused(w, api.PutResourcePolicy, &api.PutResourcePolicyInput{SecretId: new("s"), ResourcePolicy: public, BlockPublicPolicy: new(true)}, "PublicPolicyException", "")
	must(w, api.PutResourcePolicy, &api.PutResourcePolicyInput{SecretId: new("s"), ResourcePolicy: public})
	if got := must(w, api.GetResourcePolicy, &api.GetResourcePolicyInput{SecretId: new("s")}); *got.ResourcePolicy != *public {
		t.Errorf("got %s", *got.ResourcePolicy)
	}
}
