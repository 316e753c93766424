package codebuild

import (
	"fmt"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
	"github.com/penstock-ci/penstock/internal/store"
)

// Build is one build: what was asked, and what has been observed of it.
type Build struct {
	store.Scope
	Project, UUID string
	Number        int64
	Initiator     string
	Asked         Asked
	// Seed is the request that started it, for RetryBuild: the same input again.
	Seed api.StartBuildInput `json:",omitzero"`

	Phase  Phase
	Status string // IN_PROGRESS, SUCCEEDED, FAILED, FAULT, TIMED_OUT, STOPPED
	Phases []Entry
	Start  time.Time
	End    time.Time `json:",omitzero"`

	// Provisioned is set once the pod has been asked for: from then on it must be there.
	Provisioned bool                `json:",omitzero"`
	Interface   string              `json:",omitzero"` // id of its network interface in a VPC
	Subnet      string              `json:",omitzero"`
	Resolved    map[string]string   `json:",omitzero"` // source id → commit or object version
	Exported    []protocol.Variable `json:",omitzero"`
	Stored      []protocol.Stored   `json:",omitzero"`
	Logged      bool                `json:",omitzero"` // its log stream exists
	Reports     uint64              `json:",omitzero"` // reports taken in
	Retry       Retry               `json:",omitzero"`
}

// Retry is a build's place among those that CodeBuild starts by itself after one that
// failed: at most Limit of them. Previous and Next are ARNs.
type Retry struct {
	Limit, Number  int
	Previous, Next string `json:",omitzero"`
}

// Entry is one phase as BatchGetBuilds shows it. Status "" is still running.
type Entry struct {
	Phase    Phase
	Status   string `json:",omitzero"`
	Start    time.Time
	End      time.Time          `json:",omitzero"`
	Contexts []protocol.Context `json:",omitzero"`
}

// Asked is the effective configuration of a build: the project with the overrides
// of StartBuild, in AWS's own structures, for the build shows them as they are.
type Asked struct {
	Role               string
	Source             api.ProjectSource
	Version            string                     `json:",omitzero"`
	SecondarySources   []api.ProjectSource        `json:",omitzero"`
	SecondaryVersions  []api.ProjectSourceVersion `json:",omitzero"`
	Artifacts          api.ProjectArtifacts
	SecondaryArtifacts []api.ProjectArtifacts `json:",omitzero"`
	Environment        api.ProjectEnvironment
	Cache              *api.ProjectCache `json:",omitzero"`
	CacheID            string            `json:",omitzero"`
	VPC                *api.VpcConfig    `json:",omitzero"`
	Logs               *api.LogsConfig   `json:",omitzero"`
	Key                string
	Timeout, Queued    time.Duration
}

// ID is project:uuid.
func (b Build) ID() string { return b.Project + ":" + b.UUID }

// ARN is the build's.
func (b Build) ARN() string { return buildARN(b.Scope, b.ID()) }

// Complete tells whether nothing more happens to it.
func (b Build) Complete() bool { return b.Phase == Completed }

// retries tells whether another build follows if this one fails. A pipeline retries its
// builds itself.
func (b Build) retries() bool {
	return b.Retry.Number < b.Retry.Limit && op.Val(b.Asked.Source.Type) != api.SourceTypeCodepipeline
}

// pod is the name of the build's pod.
func (b Build) pod() string { return "build-" + b.UUID }

// session is the name of the build's role session, as on AWS.
func (b Build) session() string { return "AWSCodeBuild-" + b.UUID }

// projectIndex orders the builds of a project by their number.
func projectIndex(project string, number int64) string {
	return fmt.Sprintf("%s/%012d", project, number)
}

// Counter is the number of a project's last build.
type Counter struct{ Last int64 }

// Token is an idempotency token of StartBuild and what it was used for.
type Token struct {
	Build  string
	Digest string // of the request
	At     time.Time
}
