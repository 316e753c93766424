package parity

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"

	"github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
	codebuildservice "github.com/penstock-ci/penstock/internal/service/codebuild"
	codecommitservice "github.com/penstock-ci/penstock/internal/service/codecommit"
	codepipelineservice "github.com/penstock-ci/penstock/internal/service/codepipeline"
	ec2service "github.com/penstock-ci/penstock/internal/service/ec2"
	ecrservice "github.com/penstock-ci/penstock/internal/service/ecr"
	ecsservice "github.com/penstock-ci/penstock/internal/service/ecs"
	elbv2service "github.com/penstock-ci/penstock/internal/service/elbv2"
	eventsservice "github.com/penstock-ci/penstock/internal/service/events"
	iamservice "github.com/penstock-ci/penstock/internal/service/iam"
	logsservice "github.com/penstock-ci/penstock/internal/service/logs"
	rdsservice "github.com/penstock-ci/penstock/internal/service/rds"
	s3service "github.com/penstock-ci/penstock/internal/service/s3"
	secretsservice "github.com/penstock-ci/penstock/internal/service/secretsmanager"
	ssmservice "github.com/penstock-ci/penstock/internal/service/ssm"
	stsservice "github.com/penstock-ci/penstock/internal/service/sts"
)

// handlers is what each service registers. The services get nothing to work with:
// they are asked for their tables only. A new service is a line here and one in
// cmd/penstock.
func handlers() map[*model.Service]func() []op.Handler {
	return map[*model.Service]func() []op.Handler{
		codebuild.API:      func() []op.Handler { return codebuildservice.New(codebuildservice.Deps{}).Handlers() },
		codecommit.API:     func() []op.Handler { return codecommitservice.New(codecommitservice.Deps{}).Handlers() },
		codepipeline.API:   func() []op.Handler { return codepipelineservice.New(codepipelineservice.Deps{}).Handlers() },
		ec2.API:            func() []op.Handler { return ec2service.New(ec2service.Deps{}).Handlers() },
		ecr.API:            func() []op.Handler { return ecrservice.New(ecrservice.Deps{}).Handlers() },
		ecs.API:            func() []op.Handler { return ecsservice.New(ecsservice.Deps{}).Handlers() },
		elbv2.API:          func() []op.Handler { return elbv2service.New(elbv2service.Deps{}).Handlers() },
		events.API:         func() []op.Handler { return eventsservice.New(eventsservice.Deps{}).Handlers() },
		iam.API:            func() []op.Handler { return iamservice.New(iamservice.Deps{}).Handlers() },
		logs.API:           func() []op.Handler { return logsservice.New(logsservice.Deps{}).Handlers() },
		rds.API:            func() []op.Handler { return rdsservice.New(rdsservice.Deps{}).Handlers() },
		s3.API:             func() []op.Handler { return s3service.New(s3service.Deps{}).Handlers() },
		secretsmanager.API: func() []op.Handler { return secretsservice.New(secretsservice.Deps{}).Handlers() },
		ssm.API:            func() []op.Handler { return ssmservice.New(ssmservice.Deps{}).Handlers() },
		sts.API:            func() []op.Handler { return stsservice.New(stsservice.Deps{}).Handlers() },
	}
}

// Services gathers all; folder is internal/service, for the package comments.
func Services(folder string) ([]Service, error) {
	registered := map[string]Service{}
	for api, ask := range handlers() {
		registered[api.Package] = Service{Folder: api.Package, API: api, Handlers: ask()}
	}
	folders, err := filepath.Glob(filepath.Join(folder, "*", "doc.go"))
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	var out []Service
	for _, doc := range folders {
		name := filepath.Base(filepath.Dir(doc))
		s, ok := registered[name]
		if !ok {
			return nil, fmt.Errorf("the service %s is not in the table of internal/parity/services.go: add it", name)
		}
		file, err := parser.ParseFile(token.NewFileSet(), doc, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			return nil, fmt.Errorf("read the comment of package %s: %w", name, err)
		}
		s.Comment = file.Doc.Text()
		out = append(out, s)
	}
	return out, nil
}
