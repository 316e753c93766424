package runner

import (
	"context"
	"errors"
	"regexp"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// phases runs what follows the download. A failure before BUILD ends the build; after
// BUILD has begun, POST_BUILD and the upload are done too, as on CodeBuild.
func (b *build) phases(ctx context.Context) {
	for _, p := range b.plan.Phases {
		if goOn := b.phase(ctx, p); !goOn || ctx.Err() != nil {
			return
		}
	}
	if err := b.log.drain(); err != nil {
		b.failed = true
		return
	}
	b.begin(protocol.UploadArtifacts)
	stored, err := b.upload(ctx)
	b.end(ctx, protocol.Report{Phase: protocol.UploadArtifacts, Stored: stored}, err)
}

// phase runs one phase and tells whether the next one runs.
func (b *build) phase(ctx context.Context, p protocol.Phase) bool {
	b.log.say("Entering phase %s", p.Name)
	b.begin(p.Name)
	if p.Declared && len(p.Commands) == 0 && len(p.Finally) == 0 {
		b.log.say("No commands found for phase name: %s", p.Name)
	}
	before := b.failed
	err := b.commands(ctx, p, p.Commands)
	if err != nil {
		b.session.set("CODEBUILD_BUILD_SUCCEEDING", "0")
	}
	if ctx.Err() == nil {
		if ferr := b.commands(ctx, p, p.Finally); err == nil {
			err = ferr
		}
	}
	r := protocol.Report{Phase: p.Name}
	if p.Name == protocol.PostBuild {
		for _, name := range b.plan.Exported {
			r.Exported = append(r.Exported, protocol.Variable{Name: name, Value: b.session.get(name)})
		}
		if err == nil && !b.failed {
			b.saveCache(ctx)
		}
	}
	if b.end(ctx, r, err) == protocol.Succeeded {
		return true
	}
	b.session.set("CODEBUILD_BUILD_SUCCEEDING", "0")
	b.askForRetry(p, err)
	switch {
	case ctx.Err() != nil, p.OnFailure == protocol.OnFailureAbort:
		return false
	case p.OnFailure == protocol.OnFailureContinue:
		b.failed = before
		return true
	}
	return p.Name == protocol.BuildPhase || p.Name == protocol.PostBuild
}

// askForRetry takes in what a failed phase wants: the build ends as it would without, and
// another one follows it.
func (b *build) askForRetry(p protocol.Phase, why error) {
	var f *failure
	if p.Retries == 0 || !errors.As(why, &f) {
		return
	}
	if wanted, err := regexp.MatchString(p.Matching, f.Message); err == nil && wanted { // the server has compiled it
		b.retries = max(b.retries, p.Retries)
	}
}

// commands runs the items of a list up to the first that fails.
func (b *build) commands(ctx context.Context, p protocol.Phase, list []string) error {
	runAs := p.RunAs
	if runAs == "" {
		runAs = b.session.runAs
	}
	for _, command := range list {
		if ctx.Err() != nil {
			return errStopped
		}
		b.log.say("Running command %s", command)
		err := b.session.run(ctx, command, runAs)
		if derr := b.log.drain(); derr != nil {
			return derr
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return errStopped
		}
		b.log.raw("\n")
		b.log.say("Command did not exit successfully %s %s", command, exitStatus(err))
		return &failure{contextOf(command, err)}
	}
	return nil
}
