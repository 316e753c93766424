// Package dispatch is the one way in to every operation: find the handler,
// check the model's constraints, authorise, open the transaction, run, keep the
// receipt, write the audit line. wire calls it for requests from outside,
// services call it for each other; both kinds of caller are treated alike.
// It knows no service and never looks into an input beyond its tags and the
// condition keys that its handler names.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Policies answers Questions; identity.Authority does.
type Policies interface {
	// Decide is nil where q is allowed, else who lacks what and why.
	Decide(ctx context.Context, r store.Reader, q identity.Question) (*identity.Refusal, error)
	Trusts(ctx context.Context, r store.Reader, role, service string) error
	// Appear makes the row of the caller's service-linked role on first use.
	Appear(ctx context.Context, tx store.Tx, c op.Caller) error
}

// ResourcePolicy reads the policy document attached to a resource, "" for none.
// The services that have such policies (s3, ecr, secretsmanager …) offer one.
type ResourcePolicy func(ctx context.Context, r store.Reader, arn string) (string, error)

// Resolve completes an ARN that an operation's input names only in part: IAM's
// paths, the random suffix of a secret.
type Resolve func(ctx context.Context, r store.Reader, arn string) (string, error)

// Deps are what a Dispatcher needs. Without Policies only account roots are
// allowed; without Receipts callers with a Key are refused.
type Deps struct {
	DB        store.DB
	Handlers  []op.Handler
	Policies  Policies
	Receipts  Receipts
	Resources map[string]ResourcePolicy // by signing name
	Clock     clock.Clock
	Log       *slog.Logger
}

// Dispatcher implements op.Dispatcher, op.Guard and the stream variant.
type Dispatcher struct {
	Deps
	handlers  map[string]op.Handler
	resolve   map[string]Resolve
	described map[string][]op.Described // by signing name
}

var (
	_ op.Dispatcher = (*Dispatcher)(nil)
	_ op.Guard      = (*Dispatcher)(nil)
)

// New is a Dispatcher with the handlers of deps. Services that need the
// dispatcher themselves are added by Register afterwards.
func New(deps Deps) (*Dispatcher, error) {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = clock.System{}
	}
	if deps.Resources == nil {
		deps.Resources = map[string]ResourcePolicy{}
	}
	d := &Dispatcher{Deps: deps, handlers: map[string]op.Handler{}, resolve: map[string]Resolve{}, described: map[string][]op.Described{}}
	return d, d.Register(deps.Handlers...)
}

// Register adds handlers. It is called while the program is put together,
// never after the first Invoke.
func (d *Dispatcher) Register(handlers ...op.Handler) error {
	for _, h := range handlers {
		k := h.Service + ":" + h.Name
		if _, ok := d.handlers[k]; ok {
			return fmt.Errorf("operation %s has two handlers", k)
		}
		d.handlers[k] = h
	}
	return nil
}

// Guarded names the policy source of a service's resources; like Register it
// belongs to start-up.
func (d *Dispatcher) Guarded(service string, p ResourcePolicy) { d.Resources[service] = p }

// Resolved names who completes the ARNs of a service; it belongs to start-up too.
func (d *Dispatcher) Resolved(service string, f Resolve) { d.resolve[service] = f }

// Described names who reads the condition keys of a service's resources, such as
// their tags; it belongs to start-up too.
func (d *Dispatcher) Described(service string, by []op.Described) { d.described[service] = by }

// Handler finds the handler of an operation, for wire to decode its input.
func (d *Dispatcher) Handler(service, name string) (op.Handler, bool) {
	h, ok := d.handlers[service+":"+name]
	return h, ok
}

// Invoke runs one operation as c. An operation with a stream is run without a
// body, and its answer's is closed.
func (d *Dispatcher) Invoke(ctx context.Context, c op.Caller, service, name string, in any) (any, error) {
	if h, ok := d.Handler(service, name); ok && h.Stream != nil {
		out, stream, err := d.InvokeStream(ctx, c, service, name, in, nil)
		if stream != nil {
			err = errors.Join(err, stream.Close())
		}
		return out, err
	}
	started := d.Clock.Now()
	out, err := d.invoke(ctx, c, service, name, in)
	d.audit(ctx, c, service, name, started, err)
	return out, err
}

// InvokeStream runs an operation that has a body. A handler without a stream is
// run as by Invoke and body is not read.
func (d *Dispatcher) InvokeStream(ctx context.Context, c op.Caller, service, name string, in any, body io.Reader) (any, io.ReadCloser, error) {
	h, ok := d.Handler(service, name)
	if !ok || h.Stream == nil {
		out, err := d.Invoke(ctx, c, service, name, in)
		return out, nil, err
	}
	started := d.Clock.Now()
	out, stream, err := d.stream(ctx, h, c, in, body)
	d.audit(ctx, c, service, name, started, err)
	return out, stream, err
}

func (d *Dispatcher) stream(ctx context.Context, h op.Handler, c op.Caller, in any, body io.Reader) (any, io.ReadCloser, error) {
	if e := h.Check(in); e != nil {
		return nil, nil, e
	}
	ctx = within(ctx, h.Service)
	err := d.DB.View(ctx, func(ctx context.Context, r store.Reader) error { return d.authorise(ctx, r, h, c, in) })
	if err != nil {
		return nil, nil, err
	}
	return h.Stream(ctx, c, in, body)
}

func (d *Dispatcher) invoke(ctx context.Context, c op.Caller, service, name string, in any) (out any, err error) {
	h, ok := d.Handler(service, name)
	if !ok {
		return nil, unknown(service, name)
	}
	if in == nil {
		in = h.NewIn()
	}
	if e := h.Check(in); e != nil {
		return nil, e
	}
	ctx = within(ctx, service)
	if h.Writes {
		return d.change(ctx, h, c, in)
	}
	err = d.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		if err := d.authorise(ctx, r, h, c, in); err != nil {
			return err
		}
		out, err = h.Run(ctx, r, c, in)
		return err
	})
	return out, err
}

// change authorises in a View of its own, so that refusals never wait for the
// writer, then makes change and receipt one transaction.
func (d *Dispatcher) change(ctx context.Context, h op.Handler, c op.Caller, in any) (out any, err error) {
	err = d.DB.View(ctx, func(ctx context.Context, r store.Reader) error { return d.authorise(ctx, r, h, c, in) })
	if err != nil {
		return nil, err
	}
	if c.Key != "" && d.Receipts == nil {
		return nil, errors.New("a change with a key needs receipts and this dispatcher keeps none")
	}
	err = d.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		var done bool
		if out, done, err = d.recall(ctx, tx, h, c); err != nil || done {
			return err
		}
		if d.Policies != nil && c.Service != "" {
			if err := d.Policies.Appear(ctx, tx, c); err != nil {
				return fmt.Errorf("service-linked role of %s: %w", c.ARN, err)
			}
		}
		if out, err = h.Run(ctx, tx, c, in); err != nil {
			return err
		}
		return d.remember(ctx, tx, h, c, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// audit writes one line per call: changes at Info, reads at Debug. Inputs are
// never logged, they may hold secrets.
func (d *Dispatcher) audit(ctx context.Context, c op.Caller, service, name string, started time.Time, err error) {
	level := slog.LevelDebug
	if h, ok := d.Handler(service, name); ok && (h.Writes || h.Stream != nil) {
		level = slog.LevelInfo
	}
	if !d.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("operation", service+":"+name), slog.String("principal", c.ARN),
		slog.String("account", c.Account), slog.String("region", c.Region), slog.String("request", c.RequestID),
		slog.Duration("took", d.Clock.Now().Sub(started)),
	}
	if c.Service != "" {
		attrs = append(attrs, slog.String("via", c.Service))
	}
	if err == nil {
		d.Log.LogAttrs(ctx, level, "operation", attrs...)
		return
	}
	attrs = append(attrs, slog.String("error", outcome(err)))
	d.Log.LogAttrs(ctx, level, "operation refused", attrs...)
}

// outcome is the AWS code of err where it has one.
func outcome(err error) string {
	if e, ok := errors.AsType[*op.Error](err); ok {
		return e.Code
	}
	return err.Error()
}
