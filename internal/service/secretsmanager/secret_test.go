package secretsmanager_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/secretsmanager"
	"github.com/penstock-ci/penstock/internal/store"
)

type handClock struct {
	clock.System
	ahead time.Duration
}

func (c *handClock) Now() time.Time { return c.System.Now().Add(c.ahead) }

type world struct {
	*dispatchtest.Dispatcher
	t       *testing.T
	clock   *handClock
	service *secretsmanager.Service
	as      *op.Caller // root where nil
}

func (w *world) caller() op.Caller {
	if w.as != nil {
		return *w.as
	}
	return w.Root()
}

func setup(t *testing.T) *world {
	w := &world{t: t, clock: &handClock{}}
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	deps := secretsmanager.Deps{Keys: keys, Clock: w.clock, Guard: guard{}}
	w.service = secretsmanager.New(deps)
	w.Dispatcher = dispatchtest.New(t, w.service.Tables(), w.service.Handlers()...)
	w.Resolved("secretsmanager", w.service.Resolve)
	w.Guarded("secretsmanager", w.service.Policy)
	return w
}

// guard forbids the secrets whose name says so.
type guard struct{ op.Guard }

func (guard) Allow(_ context.Context, _ store.Reader, _ op.Caller, _, resource string, _ map[string]string) error {
	if strings.Contains(resource, "forbidden") {
		return &op.Error{Code: "AccessDeniedException", Message: "no"}
	}
	return nil
}

func must[I, O any](w *world, o op.Op[I, O], in *I) *O {
	w.t.Helper()
	out, err := op.Call(w.t.Context(), w, w.caller(), o, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func refused[I, O any](w *world, o op.Op[I, O], in *I, code, text string) {
	w.t.Helper()
	_, err := op.Call(w.t.Context(), w, w.caller(), o, in)
	if e, ok := errors.AsType[*op.Error](err); !ok || e.Code != code || !strings.Contains(e.Message, text) {
		w.t.Fatalf("got  %v\nwant %s: …%s…", err, code, text)
	}
}

const (
	token1 = "11111111-1111-1111-1111-111111111111"
	token2 = "22222222-2222-2222-2222-222222222222"
)

func create(name, value, token string) *api.CreateSecretInput {
	return &api.CreateSecretInput{Name: &name, SecretString: &value, ClientRequestToken: &token}
}

func TestSecretIsFoundByNameAndARN(t *testing.T) {
	t.Parallel()
	w := setup(t)
	made := must(w, api.CreateSecret, create("app/db", "postgres://x", token1))
	partial := (*made.ARN)[:len(*made.ARN)-7]
	for _, id := range []string{"app/db", *made.ARN, partial} {
		got := must(w, api.GetSecretValue, &api.GetSecretValueInput{SecretId: &id})
		if *got.SecretString != "postgres://x" || *got.VersionId != token1 || got.VersionStages[0] != "AWSCURRENT" || *got.ARN != *made.ARN {
			t.Errorf("%s: got %+v", id, got)
		}
	}
	for _, id := range []string{"none", partial + "-AbCdEf", strings.Replace(*made.ARN, "us-east-1", "eu-west-1", 1)} {
		refused(w, api.GetSecretValue, &api.GetSecretValueInput{SecretId: &id}, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
}

func TestTokenMakesARequestRepeatable(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first := must(w, api.CreateSecret, create("s", "a", token1))
	if again := must(w, api.CreateSecret, create("s", "a", token1)); *again.ARN != *first.ARN {
		t.Errorf("got another secret %s", *again.ARN)
	}
	refused(w, api.CreateSecret, create("s", "b", token1), "ResourceExistsException", "The operation failed because the secret s already exists.")
	put := func(value, token string) *api.PutSecretValueInput {
		return &api.PutSecretValueInput{SecretId: new("s"), SecretString: &value, ClientRequestToken: &token}
	}
	must(w, api.PutSecretValue, put("b", token2))
	must(w, api.PutSecretValue, put("b", token2))
	refused(w, api.PutSecretValue, put("c", token2), "ResourceExistsException", "")
	refused(w, api.UpdateSecret, &api.UpdateSecretInput{SecretId: new("s"), SecretString: new("b"), ClientRequestToken: new(token2)}, "ResourceExistsException", "")
	refused(w, api.PutSecretValue, &api.PutSecretValueInput{SecretId: new("s"), SecretString: new("d")}, "InvalidRequestException", "You must provide a ClientRequestToken value.")
	refused(w, api.GetSecretValue, &api.GetSecretValueInput{SecretId: new("s"), VersionId: new(token1), VersionStage: new("AWSCURRENT")}, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
}

func TestDeletedSecretWaitsAndComesBack(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w, api.CreateSecret, create("s", "a", token1))
	must(w, api.DeleteSecret, &api.DeleteSecretInput{SecretId: new("s"), RecoveryWindowInDays: new(int64(7))})
	get := &api.GetSecretValueInput{SecretId: new("s")}
	refused(w, api.GetSecretValue, get, "InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	refused(w, api.CreateSecret, create("s", "a", token2), "InvalidRequestException", "a secret with this name is already scheduled for deletion.")
	if d := must(w, api.DescribeSecret, &api.DescribeSecretInput{SecretId: new("s")}); d.DeletedDate == nil {
		t.Error("DescribeSecret tells no date of deletion")
	}
	must(w, api.RestoreSecret, &api.RestoreSecretInput{SecretId: new("s")})
	must(w, api.GetSecretValue, get)
	must(w, api.DeleteSecret, &api.DeleteSecretInput{SecretId: new("s"), RecoveryWindowInDays: new(int64(7))})
	w.clock.ahead = 7*24*time.Hour + time.Minute
	refused(w, api.GetSecretValue, get, "ResourceNotFoundException", "")
	if err := w.DB.Update(t.Context(), w.service.Sweep); err != nil {
		t.Fatal(err)
	}
	must(w, api.CreateSecret, create("s", "b", token2))
	must(w, api.DeleteSecret, &api.DeleteSecretInput{SecretId: new("s"), ForceDeleteWithoutRecovery: new(true)})
	must(w, api.CreateSecret, create("s", "c", token2))
}

func TestBatchTellsWhatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w, api.CreateSecret, create("a", "1", token1))
	must(w, api.CreateSecret, create("forbidden", "2", token1))
	out := must(w, api.BatchGetSecretValue, &api.BatchGetSecretValueInput{SecretIdList: []string{"a", "forbidden", "none"}})
	if len(out.SecretValues) != 1 || len(out.Errors) != 2 || *out.Errors[0].ErrorCode != "AccessDeniedException" || *out.Errors[1].ErrorCode != "ResourceNotFoundException" {
		t.Errorf("got %+v", out)
	}
}

func TestListFiltersAndPages(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, name := range []string{"app/a", "app/b", "db/c"} {
		in := create(name, "v", token1)
		in.Tags = []api.Tag{{Key: new("team"), Value: new(name[:2])}}
		must(w, api.CreateSecret, in)
	}
	count := func(key string, values ...string) int {
		return len(must(w, api.ListSecrets, &api.ListSecretsInput{Filters: []api.Filter{{Key: &key, Values: values}}}).SecretList)
	}
	if a, b, c := count("name", "app/"), count("name", "!app/"), count("tag-value", "db"); a != 2 || b != 1 || c != 1 {
		t.Errorf("got %d, %d, %d", a, b, c)
	}
	in := &api.ListSecretsInput{MaxResults: new(int32(2)), SortBy: new("name"), SortOrder: new("asc")}
	first := must(w, api.ListSecrets, in)
	in.NextToken = first.NextToken
	rest := must(w, api.ListSecrets, in)
	if len(first.SecretList) != 2 || len(rest.SecretList) != 1 || *rest.SecretList[0].Name != "db/c" || rest.NextToken != nil {
		t.Errorf("got %d then %d", len(first.SecretList), len(rest.SecretList))
	}
}

func TestRandomPasswordKeepsItsPromises(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for range 50 {
		p := *must(w, api.GetRandomPassword, &api.GetRandomPasswordInput{PasswordLength: new(int64(8)), ExcludeCharacters: new("@/\"'"), ExcludeUppercase: new(true)}).RandomPassword
		if len(p) != 8 || strings.ContainsAny(p, "@/\"' ABCDEFGHIJKLMNOPQRSTUVWXYZ") || !strings.ContainsAny(p, "0123456789") || !strings.ContainsAny(p, "abcdefghijklmnopqrstuvwxyz") {
			t.Fatalf("got %q", p)
		}
	}
	refused(w, api.GetRandomPassword, &api.GetRandomPasswordInput{PasswordLength: new(int64(2))}, "InvalidParameterException", "too short")
}

func TestValueIsNotInTheDatabase(t *testing.T) {
	t.Parallel()
	const value = "hunter2-hunter2-hunter2"
	keys, err := identity.OpenKeyring(filepath.Join(t.TempDir(), "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := secretsmanager.New(secretsmanager.Deps{Keys: keys, Guard: guard{}})
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), s.Tables()...); err != nil {
		t.Fatal(err)
	}
	for _, h := range s.Handlers() {
		if h.Name == "CreateSecret" {
			err = db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
				_, err := h.Run(ctx, tx, op.Caller{Scope: dispatchtest.Scope}, create("s", value, token1))
				return err
			})
		}
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files: %v, %v", files, err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), value) {
			t.Errorf("%s holds the value in clear", filepath.Base(f))
		}
	}
}
