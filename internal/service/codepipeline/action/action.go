// Package action is the seam between the pipeline's execution and what an action
// can do. Each provider is a folder beside this file; package codepipeline calls
// it from the effects of its machine and lists it in its table of providers.
//
// A provider reaches other services only through the dispatcher, with the role of
// the action. It holds no state: what it must know of work under way is its token.
package action

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Principal is what roles of pipelines trust.
const Principal = "codepipeline.amazonaws.com"

// ID names an action type.
type ID struct{ Category, Owner, Provider, Version string }

// Property is one key of an action's configuration.
type Property struct {
	Name             string
	Required, Secret bool
}

// Range is how many artifacts an action takes or gives.
type Range struct{ Min, Max int }

// Type describes what a provider does.
type Type struct {
	ID
	Properties      []Property
	Inputs, Outputs Range
	Timeout         time.Duration // of an action without one of its own
}

// Artifact is a named object in the pipeline's artifact store. Revision is that of
// the source it came from.
type Artifact struct {
	Name, Bucket, Key string
	Revision          string `json:",omitzero"`
}

// Override pins the revision of a source.
type Override struct{ Type, Value string }

// Input is one execution of an action.
type Input struct {
	store.Scope
	Pipeline, Execution, Stage, Action string
	ID                                 string // of the action execution: the idempotency key of everything it does
	PipelineRole, Role                 string // Role is the action's own, or ""
	Configuration                      map[string]string
	Inputs, Outputs                    []Artifact
	EncryptionKey                      string
	Override                           *Override
	Token                              string // what Start told, for Poll
}

// Caller is who the action acts as. key makes a change exactly-once.
func (in Input) Caller(key string) op.Caller {
	session := in.Pipeline
	if len(session) > 64 {
		session = session[:64] // the longest name of a role session
	}
	if in.Role == "" {
		return op.As(in.Scope, in.PipelineRole, session, Principal, key).For(arn.New("codepipeline", in.Region, in.Account, in.Pipeline))
	}
	return op.As(in.Scope, in.Role, session, "", key) // its trust was asked when the pipeline's role assumed it
}

// State is how far an action is.
type State string

// States of an action.
const (
	Running   State = "InProgress"
	Succeeded State = "Succeeded"
	Failed    State = "Failed"
)

// Codes of failures, as AWS tells them.
const (
	JobFailed          = "JobFailed"
	ConfigurationError = "ConfigurationError"
	PermissionError    = "PermissionError"
)

// Failure says why an action failed.
type Failure struct{ Code, Message string }

// Revision is what a source brought.
type Revision struct {
	ID, ChangeID, Summary, URL string
	Created                    time.Time
}

// Report is what a provider tells of an action.
type Report struct {
	State            State
	Token            string // for Poll
	Await            string // ARN of the resource whose facts tell of progress
	ExternalID, URL  string
	Summary          string
	Failure          *Failure          `json:",omitzero"`
	Variables        map[string]string `json:",omitzero"`
	Revision         *Revision         `json:",omitzero"`
	EntityURL        string            `json:",omitzero"`
	OutputsRevision  string            `json:",omitzero"` // of the artifacts it made, where it is a source
	IsAwaitingPeople bool              `json:",omitzero"`
}

// Fail is a report of a failure.
func Fail(code, format string, args ...any) Report {
	return Report{State: Failed, Failure: &Failure{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// Provider does one type of action. Start is idempotent by in.ID and takes less than
// 30 s; Poll only reads, for it may be called inside a transaction. An *op.Error
// that they return becomes the action's failure, any other error is tried again.
type Provider interface {
	Type() Type
	Start(ctx context.Context, in Input) (Report, error)
	Poll(ctx context.Context, in Input) (Report, error)
}

// Source is a Provider that can be asked for the newest revision alone, for pipelines that poll.
type Source interface {
	Provider
	Latest(ctx context.Context, in Input) (revision string, err error)
}

// Refused is the action's failure for an error of a call, or ok false where the
// call is to be tried again.
func Refused(err error) (f Failure, ok bool) {
	e, is := errors.AsType[*op.Error](err)
	if !is || e.IsTransient() {
		return f, false
	}
	if IsDenied(err) {
		return Failure{Code: PermissionError, Message: e.Message}, true
	}
	return Failure{Code: ConfigurationError, Message: e.Message}, true
}

// IsDenied tells whether err is a refusal by policy.
func IsDenied(err error) bool {
	e, ok := errors.AsType[*op.Error](err)
	return ok && (strings.HasPrefix(e.Code, "AccessDenied") || e.Code == "UnauthorizedOperation")
}

// IsCode tells whether err is the AWS error of that code.
func IsCode(err error, code string) bool {
	e, ok := errors.AsType[*op.Error](err)
	return ok && e.Code == code
}

// Checker is a Provider that knows more of its configuration than which keys there are.
type Checker interface {
	// Check says what is wrong, "" for nothing. It is asked when a pipeline is made.
	Check(action string, configuration map[string]string) string
}

// Told is the summary that users see: the failure's message, where there is one.
func (r Report) Told() string {
	if r.Failure != nil {
		return r.Failure.Message
	}
	return r.Summary
}
