package logs

import (
	"context"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/logstore"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Lines is the store of streams.
type Lines interface {
	AppendFrom(ctx context.Context, s logstore.Stream, producer string, first uint64, lines []logstore.Line) (uint64, error)
	Read(ctx context.Context, s logstore.Stream, cursor string, limit int) (logstore.Page, error)
	At(ctx context.Context, s logstore.Stream, at time.Time) (string, error)
	Create(ctx context.Context, s logstore.Stream) error
	Delete(ctx context.Context, s logstore.Stream) error
	Expire(ctx context.Context, s logstore.Stream, before time.Time) error
	List(ctx context.Context, account, region, group, prefix, after string, limit int) ([]logstore.Summary, error)
}

// Deps are the abilities a Service borrows.
type Deps struct {
	DB    store.DB
	Lines Lines
	Clock clock.Clock
}

// Service is CloudWatch Logs.
type Service struct {
	Deps
	groups store.Collection[Group]
}

// New makes the service.
func New(d Deps) *Service {
	return &Service{Deps: d, groups: store.Define(store.Schema[Group]{Table: "logs_groups", Number: 1})}
}

// Tables are the service's collections.
func (s *Service) Tables() []store.Table { return []store.Table{s.groups} }

// Group is a row; its key is the name.
type Group struct {
	Created   time.Time
	Retention int32 `json:",omitzero"` // days; 0 = for ever
	Class     string
	KMSKey    string            `json:",omitzero"`
	Tags      map[string]string `json:",omitzero"`
	Protected bool              `json:",omitzero"`
}

// groupARN is the form that policies name: the group and, with :*, its streams.
func groupARN(c op.Caller, name *string) []string {
	return []string{arn.New("logs", c.Region, c.Account, "log-group:"+op.Val(name))}
}

func streamARN(c op.Caller, group, stream *string) []string {
	return []string{arn.New("logs", c.Region, c.Account, "log-group:"+op.Val(group)+":log-stream:"+op.Val(stream))}
}
