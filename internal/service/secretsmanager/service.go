package secretsmanager

import (
	"context"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Sealer encrypts values at rest; identity.Keyring does.
type Sealer interface {
	Seal(aad string, value []byte) ([]byte, error)
	Open(aad string, sealed []byte) ([]byte, error)
}

// Secret is the document of one secret.
type Secret struct {
	Name, Suffix, Account, Region string
	Description, KMSKey           string
	Created, Changed              time.Time
	DeleteAt                      time.Time // end of the recovery window, zero while not deleted
	DeletedAt                     time.Time
	Tags                          map[string]string
	Policy                        string
	Versions                      []Version // oldest first
	Owner                         string    // the service that manages it, such as "rds"
}

// Version is one value of a secret.
type Version struct {
	ID      string
	Stages  []string
	Created time.Time
	Sealed  []byte
	Binary  bool
}

// ARN ends in six random characters, so that a secret made anew under an old
// name is not reached by the old one's policies.
func (s Secret) ARN() string {
	return arn.New("secretsmanager", s.Region, s.Account, "secret:"+s.Name+"-"+s.Suffix)
}

func (s Secret) isDeleted() bool { return !s.DeleteAt.IsZero() }

// Deps are what a Service needs.
type Deps struct {
	Guard op.Guard
	Keys  Sealer
	Clock clock.Clock
}

// Service is Secrets Manager.
type Service struct {
	Deps
	secrets store.Collection[Secret]
}

// New is a Service over deps.
func New(deps Deps) *Service {
	if deps.Clock == nil {
		deps.Clock = clock.System{}
	}
	return &Service{deps, store.Define(store.Schema[Secret]{Table: "secretsmanager_secrets"})}
}

// Tables are the service's collections.
func (s *Service) Tables() []store.Table { return []store.Table{s.secrets} }

// Sweep removes secrets whose recovery window is over. Until it runs they are
// invisible already.
func (s *Service) Sweep(ctx context.Context, tx store.Tx) error {
	docs, err := s.secrets.List(ctx, tx, store.Scope{}, store.Query{})
	if err != nil {
		return err
	}
	for _, d := range docs {
		if s.isGone(d.Value) {
			if err := s.secrets.Delete(ctx, tx, d.Scope, d.Key, d.Version); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) isGone(v Secret) bool { return v.isDeleted() && !s.Clock.Now().Before(v.DeleteAt) }

// Policy reads the resource policy for the dispatcher.
func (s *Service) Policy(ctx context.Context, r store.Reader, secretARN string) (string, error) {
	d, err := s.find(ctx, r, op.Caller{}, secretARN)
	if isNotFound(err) {
		return "", nil
	}
	return d.Value.Policy, err
}
