package main

import (
	"bytes"
	"flag"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/service/codebuild"
	"github.com/penstock-ci/penstock/internal/service/codecommit"
	"github.com/penstock-ci/penstock/internal/service/codepipeline"
	"github.com/penstock-ci/penstock/internal/service/ec2"
	"github.com/penstock-ci/penstock/internal/service/ecr"
	"github.com/penstock-ci/penstock/internal/service/ecs"
	"github.com/penstock-ci/penstock/internal/service/elbv2"
	"github.com/penstock-ci/penstock/internal/service/events"
	"github.com/penstock-ci/penstock/internal/service/iam"
	"github.com/penstock-ci/penstock/internal/service/logs"
	"github.com/penstock-ci/penstock/internal/service/rds"
	"github.com/penstock-ci/penstock/internal/service/s3"
	"github.com/penstock-ci/penstock/internal/service/secretsmanager"
	"github.com/penstock-ci/penstock/internal/service/ssm"
	"github.com/penstock-ci/penstock/internal/service/sts"
	"github.com/penstock-ci/penstock/internal/wire"
)

var update = flag.Bool("update", false, "write docs/parity.md and docs/condition-keys.md anew")

// services are all of them; nothing is called, so they need nothing.
func services() []interface{ Handlers() []op.Handler } {
	return []interface{ Handlers() []op.Handler }{
		codebuild.New(codebuild.Deps{}), codecommit.New(codecommit.Deps{}), codepipeline.New(codepipeline.Deps{}), ec2.New(ec2.Deps{}),
		ecr.New(ecr.Deps{}), ecs.New(ecs.Deps{}), elbv2.New(elbv2.Deps{}), events.New(events.Deps{}), iam.New(iam.Deps{}), logs.New(logs.Deps{}),
		rds.New(rds.Deps{}), s3.New(s3.Deps{}), secretsmanager.New(secretsmanager.Deps{}), ssm.New(ssm.Deps{}), sts.New(sts.Deps{}),
	}
}

func handlers() (all []op.Handler) {
	for _, s := range services() {
		all = append(all, s.Handlers()...)
	}
	return all
}

// limits are what the services' package comments say is refused or only stored.
func limits(t *testing.T) map[string][]string {
	t.Helper()
	notes := map[string][]string{}
	for _, m := range models() {
		name := filepath.Join("..", "..", "internal", "service", m.Package, "doc.go")
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		notes[m.Package] = wire.Limits(file.Doc.Text())
	}
	return notes
}

func TestParityPageIsCurrent(t *testing.T) {
	t.Parallel()
	isCurrent(t, "parity.md", wire.Parity(models(), handlers(), limits(t)))
}

// isCurrent compares a generated page of docs with what it should be; -update writes it.
func isCurrent(t *testing.T, name string, want []byte) {
	t.Helper()
	page := filepath.Join("..", "..", "docs", name)
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/%s is not what the services register: run `make gen`", name)
	}
}

func TestEveryHandlerIsAnOperationOfItsService(t *testing.T) {
	t.Parallel()
	known := map[string]bool{
		"codecommit:UploadArchive": true, // a permission on AWS without an operation: how a pipeline fetches its source
	}
	for _, m := range models() {
		for _, o := range m.Ops {
			known[m.Name+":"+o.Name] = true
		}
	}
	seen := map[string]bool{}
	for _, h := range handlers() {
		name := h.Service + ":" + h.Name
		if !known[name] {
			t.Errorf("%s has a handler and no generated operation", name)
		}
		if seen[name] {
			t.Errorf("%s has two handlers", name)
		}
		seen[name] = true
	}
}
