// Command scratch serves identity's services for a try by hand.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	apiiam "github.com/penstock-ci/penstock/api/iam"
	apism "github.com/penstock-ci/penstock/api/secretsmanager"
	apissm "github.com/penstock-ci/penstock/api/ssm"
	apists "github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/dispatch"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/service/iam"
	"github.com/penstock-ci/penstock/internal/service/secretsmanager"
	"github.com/penstock-ci/penstock/internal/service/ssm"
	"github.com/penstock-ci/penstock/internal/service/sts"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/wire"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	ctx, dir := context.Background(), os.Args[1]
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, err := store.Open(ctx, store.Options{Dir: dir})
	check(err)
	keys, err := identity.OpenKeyring(dir + "/keyring.json")
	check(err)
	rec := identity.NewRecords()
	sm := secretsmanager.New(secretsmanager.Deps{Keys: keys})
	ps := ssm.New(ssm.Deps{Keys: keys})
	check(db.Migrate(ctx, append(append(rec.Tables(), sm.Tables()...), ps.Tables()...)...))
	a := identity.New(identity.Deps{DB: db, Records: rec, Keys: keys, Log: log})
	check(a.EnsureAccount(ctx, identity.DefaultAccount, "default"))
	d, err := dispatch.New(dispatch.Deps{DB: db, Policies: a, Receipts: store.Receipts{}, Log: log})
	check(err)
	sm.Guard = d
	is := iam.New(iam.Deps{Records: rec, Authority: a, Keys: keys, Guard: d, Policies: a})
	ss := sts.New(sts.Deps{Records: rec, Authority: a, Keys: keys})
	check(d.Register(is.Handlers()...))
	check(d.Register(ss.Handlers()...))
	check(d.Register(sm.Handlers()...))
	check(d.Register(ps.Handlers()...))
	d.Resolved("iam", is.Resolve)
	d.Resolved("secretsmanager", sm.Resolve)
	d.Guarded("secretsmanager", sm.Policy)
	env, err := a.Env(ctx, identity.DefaultAccount)
	check(err)
	check(os.WriteFile(dir+"/env", []byte(fmt.Sprintf("export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL=http://127.0.0.1:18099\n", env.AccessKeyID, env.Secret)), 0o600))
	w := wire.New(wire.Config{Services: []*model.Service{apiiam.API, apism.API, apissm.API, apists.API}, Credentials: a, Dispatch: d, Clock: clock.System{}, Log: log, Region: "us-east-1"})
	l, err := net.Listen("tcp", "127.0.0.1:18099")
	check(err)
	check(w.Serve(l))
}
