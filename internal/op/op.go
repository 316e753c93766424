// Package op says what an operation is: its value, its caller, its handler and
// its error. It is a leaf: api/* and the services import it, wire and dispatch
// serve it. It never touches the network or the database itself.
package op

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/penstock-ci/penstock/internal/store"
)

// Op is generated, one value per operation.
type Op[I, O any] struct {
	Service, Name string          // "codebuild", "StartBuild": the signing name and the model's name
	Check         func(*I) *Error // the model's constraints, in AWS's words and with the service's own code
}

// Handler is an operation with its behaviour; Run gets a store.Tx iff Writes.
type Handler struct {
	Service, Name string
	Writes        bool
	Action        string // the IAM action where it is not Service:Name, such as "ecr:GetAuthorizationToken"
	Check         func(in any) *Error
	Resources     func(c Caller, in any) []string // ARNs that the policy is asked about; nil means "*"
	Keys          []Key                           // condition keys of the service that the input fills
	Lookups       []Lookup                        // those that take a read
	Run           func(ctx context.Context, r store.Reader, c Caller, in any) (any, error)
	NewIn, NewOut func() any // to decode a request, to read a receipt back
	Stream        func(ctx context.Context, c Caller, in any, body io.Reader) (any, io.ReadCloser, error)
}

// Read registers an operation that changes nothing. arns nil means "*".
func Read[I, O any](o Op[I, O], arns func(Caller, *I) []string, f func(context.Context, store.Reader, Caller, *I) (*O, error)) Handler {
	return handler(o, false, arns, f)
}

// Change registers an operation that is one transaction. f may run more than
// once, so it has no side effect but tx.
func Change[I, O any](o Op[I, O], arns func(Caller, *I) []string, f func(context.Context, store.Tx, Caller, *I) (*O, error)) Handler {
	return handler(o, true, arns, func(ctx context.Context, r store.Reader, c Caller, in *I) (*O, error) {
		return f(ctx, r.(store.Tx), c, in)
	})
}

// Stream is for bodies (S3, OCI, Git): bytes go to blob first, then f opens its own Update.
func Stream[I, O any](o Op[I, O], arns func(Caller, *I) []string, f func(context.Context, Caller, *I, io.Reader) (*O, io.ReadCloser, error)) Handler {
	h := handler(o, false, arns, func(context.Context, store.Reader, Caller, *I) (*O, error) { return nil, ErrStreamOnly })
	h.Stream = func(ctx context.Context, c Caller, in any, body io.Reader) (any, io.ReadCloser, error) {
		return f(ctx, c, in.(*I), body)
	}
	return h
}

// As gives the handler another IAM action than Service:Name, for the operations
// whose permission has another name (s3:ListBuckets is s3:ListAllMyBuckets).
func (h Handler) As(action string) Handler {
	h.Action = action
	return h
}

// ErrStreamOnly is what a stream operation answers when it is called without a body.
var ErrStreamOnly = errors.New("operation has a body stream")

func handler[I, O any](o Op[I, O], writes bool, arns func(Caller, *I) []string, f func(context.Context, store.Reader, Caller, *I) (*O, error)) Handler {
	h := Handler{
		Service: o.Service, Name: o.Name, Writes: writes, Action: o.Service + ":" + o.Name,
		Check: func(in any) *Error {
			if o.Check == nil {
				return nil
			}
			return o.Check(in.(*I))
		},
		Run: func(ctx context.Context, r store.Reader, c Caller, in any) (any, error) {
			out, err := f(ctx, r, c, in.(*I))
			if err != nil {
				return nil, err
			}
			return out, nil
		},
		NewIn:  func() any { return new(I) },
		NewOut: func() any { return new(O) },
	}
	if arns != nil {
		h.Resources = func(c Caller, in any) []string { return arns(c, in.(*I)) }
	}
	return h
}

// Dispatcher is the one way in: check, authorise, transaction, receipt, audit.
type Dispatcher interface {
	Invoke(ctx context.Context, c Caller, service, name string, in any) (any, error)
}

// StreamDispatcher also takes and gives bodies: a Stream operation's own, nil for the others.
type StreamDispatcher interface {
	Dispatcher
	InvokeStream(ctx context.Context, c Caller, service, name string, in any, body io.Reader) (any, io.ReadCloser, error)
}

// CallStream invokes o as c with a body; the answer's body, where there is one,
// is the caller's to close.
func CallStream[I, O any](ctx context.Context, d StreamDispatcher, c Caller, o Op[I, O], in *I, body io.Reader) (*O, io.ReadCloser, error) {
	out, rc, err := d.InvokeStream(ctx, c, o.Service, o.Name, in, body)
	if err != nil {
		return nil, nil, fmt.Errorf("%s:%s as %s: %w", o.Service, o.Name, c.ARN, err)
	}
	return out.(*O), rc, nil
}

// Call invokes o as c. The error keeps the *Error of the operation (errors.As).
func Call[I, O any](ctx context.Context, d Dispatcher, c Caller, o Op[I, O], in *I) (*O, error) {
	out, err := d.Invoke(ctx, c, o.Service, o.Name, in)
	if err != nil {
		return nil, fmt.Errorf("%s:%s as %s: %w", o.Service, o.Name, c.ARN, err)
	}
	return out.(*O), nil
}

// Guard answers the second questions that an operation asks about its caller:
// iam:PassRole on a role it takes, sts:AssumeRole on a role it will act with.
type Guard interface {
	// Allow is nil, or the *Error AccessDenied with AWS's sentence. context holds
	// condition keys such as iam:PassedToService.
	Allow(ctx context.Context, r store.Reader, c Caller, action, resource string, context map[string]string) error
	// Trusts is nil if the role's trust policy names the service principal
	// ("codebuild.amazonaws.com"), else an error saying why not (no such role, no such principal).
	Trusts(ctx context.Context, r store.Reader, role, service string) error
}
