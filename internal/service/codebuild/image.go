package codebuild

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/op"
)

// pullTime bounds one pull; it is within AWS's longest build.
const pullTime = time.Hour

// pullPatience is how long an effect waits for a pull before it lets others run and
// asks again.
const pullPatience = 10 * time.Second

// image is the build's image as the back end knows it. going tells that it is still
// being brought: ask again.
func (s *Service) image(ctx context.Context, b Build) (ref string, going bool, err error) {
	name := op.Val(b.Asked.Environment.Image)
	if isCurated(name) {
		return s.Curated, false, nil
	}
	one := s.pulls.begin(ctx, b.ID(), func(ctx context.Context) (string, error) {
		return s.Images.Build(ctx, s.pullsAs(b), projectARN(b.Scope, b.Project), name)
	})
	select {
	case <-one.done:
		s.pulls.end(b.ID())
		if errors.Is(one.err, context.Canceled) {
			return "", true, nil // the build or the server has ended: who comes next sees which
		}
		return one.ref, false, one.err
	case <-s.Clock.After(pullPatience):
		return "", true, nil
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
}

// Pull lets images be brought until ctx ends, and then ends what is on its way.
func (s *Service) Pull(ctx context.Context) error {
	<-ctx.Done()
	s.pulls.shut()
	return nil
}

// pullsAs is who pulls the build's image: its role, or CodeBuild itself, whom the
// repository's policy must let in.
func (s *Service) pullsAs(b Build) op.Caller {
	if op.Val(b.Asked.Environment.ImagePullCredentialsType) == api.ImagePullCredentialsTypeServiceRole {
		return s.as(b, "")
	}
	return op.Caller{Scope: b.Scope, Service: servicePrincipal}
}

func isUnpullable(err error) bool {
	return err != nil && !compute.IsAway(err) && strings.Contains(err.Error(), "CannotPullContainerError")
}

// pulls are the images on their way, by build: a pull may take longer than the effect
// that asks for it. A restart begins them again; the Engine keeps the layers it has.
type pulls struct {
	mu    sync.Mutex
	going map[string]*pull
	all   sync.WaitGroup
}

type pull struct {
	done   chan struct{}
	cancel context.CancelFunc
	ref    string // after done
	err    error
}

// begin starts a build's pull, or finds it.
func (p *pulls) begin(ctx context.Context, build string, f func(context.Context) (string, error)) *pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one, ok := p.going[build]; ok {
		return one
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pullTime)
	one := &pull{done: make(chan struct{}), cancel: cancel}
	if p.going == nil {
		p.going = map[string]*pull{}
	}
	p.going[build] = one
	p.all.Go(func() {
		defer close(one.done)
		one.ref, one.err = f(ctx)
	})
	return one
}

// end forgets a build's pull, and ends it where it still goes on.
func (p *pulls) end(build string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one, ok := p.going[build]; ok {
		one.cancel()
		delete(p.going, build)
	}
}

// shut ends all pulls and waits for them.
func (p *pulls) shut() {
	p.mu.Lock()
	for _, one := range p.going {
		one.cancel()
	}
	p.mu.Unlock()
	p.all.Wait()
}
