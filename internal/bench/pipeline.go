package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	buildtypes "github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// chain is how many builds of one stage follow each other.
const chain = 31

// pipeline runs builds one after another. next-action goes from where the history says
// that an action succeeded to where CodeBuild took the next one's request; next-build
// goes from the end of the build itself, and so has the end's way to the pipeline in
// it. The floor is two commits, which must lie between: the end, and the next start.
func (b *Bench) pipeline(ctx context.Context) (rows []Row, err error) {
	s, err := b.running(ctx)
	if err != nil {
		return nil, err
	}
	least, err := openBare(ctx, filepath.Join(b.Folder, "pipeline.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, least.close()) }()
	var floor samples
	for range 100 {
		took, err := b.timed(func() error { return errors.Join(least.commit(ctx, 1), least.commit(ctx, 1)) })
		if err != nil {
			return nil, err
		}
		floor = append(floor, ms(took))
	}
	if err := s.makePipeline(ctx); err != nil {
		return nil, err
	}
	done, err := b.execution(ctx, s)
	if err != nil {
		return nil, err
	}
	var action, build samples
	for n := 1; n < len(done); n++ {
		action = append(action, ms(done[n].buildStarted.Sub(done[n-1].actionEnded)))
		build = append(build, ms(done[n].buildStarted.Sub(done[n-1].buildEnded)))
	}
	return []Row{row("next-action", action, floor), row("next-build", build, floor)}, nil
}

// makePipeline makes a source in S3 and the stage of builds. Making it starts it.
func (s *stack) makePipeline(ctx context.Context) error {
	bucket := "bench-" + s.env.Account
	role, err := s.makeRole(ctx, "bench-pipeline", "codepipeline.amazonaws.com", "s3:*", "codebuild:*")
	if err != nil {
		return err
	}
	if err := s.putSource(ctx, bucket); err != nil {
		return fmt.Errorf("put the pipeline's source: %w", err)
	}
	spec := "version: 0.2\nphases:\n  build:\n    commands:\n      - true\n"
	if err := s.makeProject(ctx, "bench-chain", buildtypes.ProjectSource{Type: buildtypes.SourceTypeCodepipeline, Buildspec: &spec}); err != nil {
		return err
	}
	stage := types.StageDeclaration{Name: new("Build")}
	for n := range chain {
		stage.Actions = append(stage.Actions, types.ActionDeclaration{
			Name: new("build-" + strconv.Itoa(n)), RunOrder: new(int32(n + 1)),
			ActionTypeId:   &types.ActionTypeId{Category: types.ActionCategoryBuild, Owner: types.ActionOwnerAws, Provider: new("CodeBuild"), Version: new("1")},
			InputArtifacts: []types.InputArtifact{{Name: new("source")}}, Configuration: map[string]string{"ProjectName": "bench-chain"},
		})
	}
	_, err = s.aws.Pipeline.CreatePipeline(ctx, &codepipeline.CreatePipelineInput{Pipeline: &types.PipelineDeclaration{
		Name: new("bench"), RoleArn: &role, ArtifactStore: &types.ArtifactStore{Type: types.ArtifactStoreTypeS3, Location: &bucket},
		Stages: []types.StageDeclaration{{Name: new("Source"), Actions: []types.ActionDeclaration{{
			Name:            new("source"),
			ActionTypeId:    &types.ActionTypeId{Category: types.ActionCategorySource, Owner: types.ActionOwnerAws, Provider: new("S3"), Version: new("1")},
			OutputArtifacts: []types.OutputArtifact{{Name: new("source")}},
			Configuration:   map[string]string{"S3Bucket": bucket, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"},
		}}}, stage},
	}})
	if err != nil {
		return fmt.Errorf("create the pipeline: %w", err)
	}
	return nil
}

func (s *stack) putSource(ctx context.Context, bucket string) error {
	if _, err := s.aws.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		return err
	}
	_, err := s.aws.S3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		return err
	}
	var source bytes.Buffer
	archive := zip.NewWriter(&source)
	if _, err := archive.Create("empty"); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	_, err = s.aws.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: new("source.zip"), Body: bytes.NewReader(source.Bytes())})
	return err
}

// link is one action of the chain as it was.
type link struct {
	build                                 string
	actionEnded, buildStarted, buildEnded time.Time
}

// execution waits for the pipeline's one execution and gives its builds in order.
func (b *Bench) execution(ctx context.Context, s *stack) ([]link, error) {
	ctx, cancel := context.WithTimeout(ctx, chain*patience/10)
	defer cancel()
	err := b.until(ctx, 20*pace, func() (bool, error) {
		out, err := s.aws.Pipeline.ListPipelineExecutions(ctx, &codepipeline.ListPipelineExecutionsInput{PipelineName: new("bench")})
		if err != nil || len(out.PipelineExecutionSummaries) == 0 {
			return false, err
		}
		x := out.PipelineExecutionSummaries[0]
		switch x.Status {
		case types.PipelineExecutionStatusInProgress:
			return false, nil
		case types.PipelineExecutionStatusSucceeded:
			return true, nil
		}
		return true, fmt.Errorf("it ended as %s", x.Status)
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the pipeline: %w", err)
	}
	links, err := s.history(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(links))
	for n, l := range links {
		ids[n] = l.build
	}
	out, err := s.aws.Build.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("get the pipeline's builds: %w", err)
	}
	for _, build := range out.Builds {
		n := slices.Index(ids, *build.Id)
		links[n].buildStarted, links[n].buildEnded = *build.StartTime, *build.EndTime
	}
	return links, nil
}

// history are the builds' actions, oldest first.
func (s *stack) history(ctx context.Context) (links []link, err error) {
	pages := codepipeline.NewListActionExecutionsPaginator(s.aws.Pipeline, &codepipeline.ListActionExecutionsInput{PipelineName: new("bench")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the pipeline's actions: %w", err)
		}
		for _, d := range page.ActionExecutionDetails {
			if *d.StageName == "Build" {
				links = append(links, link{build: *d.Output.ExecutionResult.ExternalExecutionId, actionEnded: *d.LastUpdateTime})
			}
		}
	}
	slices.SortFunc(links, func(a, b link) int { return a.actionEnded.Compare(b.actionEnded) })
	return links, nil
}
