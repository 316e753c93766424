package dispatch_test

import (
	"context"
	"errors"
	"testing"

	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

type noteInput struct{ Text string }
type noteOutput struct{ Count int }

var (
	addNote = op.Op[noteInput, noteOutput]{Service: "codebuild", Name: "AddNote", Check: func(in *noteInput) *op.Error {
		if in.Text == "" {
			return &op.Error{Code: "InvalidInputException", Message: "text"}
		}
		return nil
	}}
	tagEC2 = op.Op[noteInput, noteOutput]{Service: "ec2", Name: "AddNote"}
	tagS3  = op.Op[noteInput, noteOutput]{Service: "s3", Name: "AddNote"}
)

type note struct{ Texts []string }

var notes = store.Define(store.Schema[note]{Table: "notes"})

func add(ctx context.Context, tx store.Tx, c op.Caller, in *noteInput) (*noteOutput, error) {
	d, err := notes.Get(ctx, tx, c.Scope, "n")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	d.Value.Texts = append(d.Value.Texts, in.Text)
	if in.Text == "refuse" {
		return nil, &op.Error{Code: "Refused"}
	}
	_, err = notes.Put(ctx, tx, c.Scope, "n", d.Value, d.Version)
	return &noteOutput{len(d.Value.Texts)}, err
}

func setup(t *testing.T) *dispatchtest.Dispatcher {
	return dispatchtest.With(t, nil, []store.Table{notes}, op.Change(addNote, nil, add), op.Change(tagEC2, nil, add), op.Change(tagS3, nil, add))
}

func requireCode(t *testing.T, err error, code string) *op.Error {
	t.Helper()
	e, ok := errors.AsType[*op.Error](err)
	if !ok || e.Code != code {
		t.Fatalf("got %v, want the error %s", err, code)
	}
	return e
}

func TestSameKeyGivesTheFirstAnswerAndOneChange(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for range 3 {
		out, err := op.Call(t.Context(), d, d.RootKey("k1"), addNote, &noteInput{"a"})
		if err != nil || out.Count != 1 {
			t.Fatalf("got %v, %v, want the first answer", out, err)
		}
	}
	out, err := op.Call(t.Context(), d, d.RootKey("k2"), addNote, &noteInput{"b"})
	if err != nil || out.Count != 2 {
		t.Fatalf("another key: got %v, %v, want a second change", out, err)
	}
}

func TestRefusedChangeLeavesNoReceipt(t *testing.T) {
	t.Parallel()
	d := setup(t)
	_, err := op.Call(t.Context(), d, d.RootKey("k"), addNote, &noteInput{"refuse"})
	requireCode(t, err, "Refused")
	out, err := op.Call(t.Context(), d, d.RootKey("k"), addNote, &noteInput{"now it works"})
	if err != nil || out.Count != 1 {
		t.Fatalf("got %v, %v, want the change to be made", out, err)
	}
}

func TestKeysOfTwoPrincipalsAndOperationsDoNotMeet(t *testing.T) {
	t.Parallel()
	d := dispatchtest.New(t, []store.Table{notes}, op.Change(addNote, nil, add), op.Change(tagS3, nil, add))
	role := "arn:aws:iam::100000000001:role/a"
	for i, call := range []func() (*noteOutput, error){
		func() (*noteOutput, error) { return op.Call(t.Context(), d, d.RootKey("k"), addNote, &noteInput{"x"}) },
		func() (*noteOutput, error) { return op.Call(t.Context(), d, d.RootKey("k"), tagS3, &noteInput{"x"}) },
		func() (*noteOutput, error) {
			return op.Call(t.Context(), d, d.As(role, "codepipeline.amazonaws.com", "k"), addNote, &noteInput{"x"})
		},
	} {
		if out, err := call(); err != nil || out.Count != i+1 {
			t.Errorf("call %d: got %v, %v", i, out, err)
		}
	}
}

func TestChangeInsideATransactionIsRefused(t *testing.T) {
	t.Parallel()
	d := setup(t)
	err := d.DB.Update(t.Context(), func(ctx context.Context, _ store.Tx) error {
		_, err := op.Call(ctx, d, d.Root(), addNote, &noteInput{"a"})
		return err
	})
	if !errors.Is(err, store.ErrNested) {
		t.Fatalf("got %v, want ErrNested", err)
	}
}

func TestRefusalsHaveTheFormOfTheService(t *testing.T) {
	t.Parallel()
	d := setup(t)
	const sentence = "User: arn:aws:iam::100000000001:user/bob is not authorized to perform: "
	for name, tc := range map[string]struct {
		op            op.Op[noteInput, noteOutput]
		code, message string
		status        int
	}{
		"a JSON service": {addNote, "AccessDeniedException", sentence + "codebuild:AddNote on resource: * because no identity-based policy allows the codebuild:AddNote action", 400},
		"EC2":            {tagEC2, "UnauthorizedOperation", "You are not authorized to perform this operation. " + sentence + "ec2:AddNote because no identity-based policy allows the ec2:AddNote action", 403},
		"S3":             {tagS3, "AccessDenied", sentence + "s3:AddNote on resource: * because no identity-based policy allows the s3:AddNote action", 403},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := op.Call(t.Context(), d, d.User("bob"), tc.op, &noteInput{"a"})
			if e := requireCode(t, err, tc.code); e.Message != tc.message || e.HTTPStatus() != tc.status {
				t.Errorf("got %d %s\nwant %d %s", e.HTTPStatus(), e.Message, tc.status, tc.message)
			}
		})
	}
}

func TestUnknownOperationIsRefusedByName(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for service, code := range map[string]string{"codebuild": "UnknownOperationException", "iam": "InvalidAction", "ec2": "InvalidAction", "s3": "NotImplemented"} {
		_, err := d.Invoke(t.Context(), d.Root(), service, "FlyToTheMoon", nil)
		requireCode(t, err, code)
	}
}

func TestConstraintsAreCheckedBeforePermission(t *testing.T) {
	t.Parallel()
	d := setup(t)
	_, err := op.Call(t.Context(), d, d.User("bob"), addNote, &noteInput{})
	requireCode(t, err, "InvalidInputException")
}

func TestOneOperationHasOneHandler(t *testing.T) {
	t.Parallel()
	if err := setup(t).Register(op.Change(addNote, nil, add)); err == nil {
		t.Fatal("a second handler was accepted")
	}
}
