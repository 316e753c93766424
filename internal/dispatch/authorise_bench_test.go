package dispatch_test

import (
	"context"
	"testing"

	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

var readNote = op.Op[noteInput, noteOutput]{Service: "codebuild", Name: "ReadNote"}

// BenchmarkRead is a call as an IAM user whose policies name no key of the
// resource: what it costs to find the user, parse nothing and decide.
func BenchmarkRead(b *testing.B) {
	records := identity.NewRecords()
	authority := identity.New(identity.Deps{Records: records})
	arns := func(c op.Caller, in *noteInput) []string {
		return []string{"arn:aws:codebuild:" + c.Region + ":" + c.Account + ":project/" + in.Text}
	}
	read := func(context.Context, store.Reader, op.Caller, *noteInput) (*noteOutput, error) {
		return &noteOutput{1}, nil
	}
	d := dispatchtest.With(b, authority, append(records.Tables(), notes), op.Read(readNote, arns, read))
	user := identity.User{Principal: identity.Principal{
		Name: "bob", Path: "/", Account: dispatchtest.Account,
		Attached: []string{"arn:aws:iam::aws:policy/AWSCodeBuildDeveloperAccess"},
		Inline: map[string]string{"own": `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"arn:aws:s3:::app/*"},
			{"Effect":"Allow","Action":"codebuild:*","Resource":"arn:aws:codebuild:*:*:project/app-*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}},
			{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`},
	}}
	err := d.DB.Update(b.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := records.Users.Put(ctx, tx, identity.In(dispatchtest.Account), "bob", user, 0)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	bob := d.User("bob")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := op.Call(b.Context(), d, bob, readNote, &noteInput{"app-web"}); err != nil {
			b.Fatal(err)
		}
	}
}
