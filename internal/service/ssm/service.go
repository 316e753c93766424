package ssm

import (
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/store"
)

// Sealer encrypts values at rest; identity.Keyring does.
type Sealer interface {
	Seal(aad string, value []byte) ([]byte, error)
	Open(aad string, sealed []byte) ([]byte, error)
}

// Parameter is the document of one parameter.
type Parameter struct {
	Name, Account, Region string
	Tags                  map[string]string
	Versions              []Version // oldest first, never empty
	Next                  int64     // number of the next version
}

// Version is one value, with what was said of the parameter at the time.
type Version struct {
	Number                    int64
	Type, Tier, DataType      string
	Key, Description, Pattern string
	Value                     string // of String and StringList
	Sealed                    []byte // of SecureString
	Modified                  time.Time
	User                      string
	Labels                    []string
}

// ARN of the parameter: a leading slash of the name is the ARN's own.
func (p Parameter) ARN() string { return parameterARN(p.Account, p.Region, p.Name) }

func parameterARN(account, region, name string) string {
	if name == "" || name[0] != '/' {
		name = "/" + name
	}
	return arn.New("ssm", region, account, "parameter"+name)
}

func (p *Parameter) latest() *Version { return &p.Versions[len(p.Versions)-1] }

// Deps are what a Service needs.
type Deps struct {
	Keys  Sealer
	Clock clock.Clock
}

// Service is Parameter Store.
type Service struct {
	Deps
	parameters store.Collection[Parameter]
}

// New is a Service over deps.
func New(deps Deps) *Service {
	if deps.Clock == nil {
		deps.Clock = clock.System{}
	}
	return &Service{deps, store.Define(store.Schema[Parameter]{Table: "ssm_parameters"})}
}

// Tables are the service's collections.
func (s *Service) Tables() []store.Table { return []store.Table{s.parameters} }
