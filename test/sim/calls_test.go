package sim

import (
	"context"
	"io"
	"runtime"
	"runtime/pprof"
	"strings"

	"github.com/penstock-ci/penstock/internal/dispatch"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

type aboutKey struct{}

// about tells what a context is for.
func about(ctx context.Context, what string) context.Context {
	return context.WithValue(ctx, aboutKey{}, what)
}

// doing names what is going on: the call that a context is for, or the machine and the
// effect that the engine works on, or the loop; and the functions behind it.
func doing(ctx context.Context) string {
	what, _ := ctx.Value(aboutKey{}).(string)
	if machine, ok := pprof.Label(ctx, "machine"); ok && !strings.Contains(what, ":") {
		effect, _ := pprof.Label(ctx, "effect")
		what = strings.TrimSpace(strings.TrimPrefix(machine, scope.Account+"/"+scope.Region+"/") + " " + effect)
	}
	var pcs [8]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])]) // of whoever called the method that asks
	for range 3 {
		f, more := frames.Next()
		what += " " + f.Function[strings.LastIndexByte(f.Function, '/')+1:]
		if !more {
			break
		}
	}
	return what
}

// calls is the dispatcher as services have it: a call may be throttled.
type calls struct {
	*dispatch.Dispatcher
	s *server
}

func (c calls) Invoke(ctx context.Context, by op.Caller, service, name string, in any) (any, error) {
	if err := c.throttle(service, name); err != nil {
		return nil, err
	}
	return c.Dispatcher.Invoke(about(ctx, call(by, service, name)), by, service, name, in)
}

func (c calls) InvokeStream(ctx context.Context, by op.Caller, service, name string, in any, body io.Reader) (any, io.ReadCloser, error) {
	if err := c.throttle(service, name); err != nil {
		return nil, nil, err
	}
	return c.Dispatcher.InvokeStream(about(ctx, call(by, service, name)), by, service, name, in, body)
}

// call names a call by what it is, its key and the session of its caller.
func call(by op.Caller, service, name string) string {
	return strings.Join([]string{service + ":" + name, by.Key, by.ARN[strings.LastIndexByte(by.ARN, '/')+1:]}, " ")
}

func (c calls) throttle(service, name string) error {
	if c.s.isDead() {
		return errCrashed
	}
	if c.s.w.fate.fails(c.s.w.fate.throttled, "call of "+service+":"+name, 10) {
		return &op.Error{Code: "ThrottlingException", Message: "Rate exceeded"}
	}
	return nil
}

// everybody may do everything.
type everybody struct{}

func (everybody) Decide(context.Context, store.Reader, identity.Question) (*identity.Refusal, error) {
	return nil, nil
}
func (everybody) Trusts(context.Context, store.Reader, string, string) error { return nil }
func (everybody) Appear(context.Context, store.Tx, op.Caller) error          { return nil }
