package codebuild

import (
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// shown is the build as BatchGetBuilds answers it.
func (b Build) shown() api.Build {
	a := b.Asked
	out := api.Build{
		Id: new(b.ID()), Arn: new(b.ARN()), BuildNumber: new(b.Number),
		StartTime: op.At(b.Start), EndTime: op.At(b.End),
		CurrentPhase: new(string(b.Phase)), BuildStatus: new(b.Status), BuildComplete: new(b.Complete()),
		SourceVersion: op.Opt(b.sourceVersion()), ResolvedSourceVersion: op.Opt(b.Resolved[""]),
		ProjectName: new(b.Project), Source: new(a.Source), ServiceRole: new(a.Role),
		SecondarySources: orEmpty(a.SecondarySources), SecondarySourceVersions: orEmpty(a.SecondaryVersions),
		Cache: a.Cache, Environment: new(a.Environment), Logs: b.logs(),
		TimeoutInMinutes: new(int32(a.Timeout / time.Minute)), QueuedTimeoutInMinutes: new(int32(a.Queued / time.Minute)),
		Initiator: new(b.Initiator), VpcConfig: a.VPC, EncryptionKey: new(a.Key),
		Artifacts: b.artifacts(a.Artifacts), SecondaryArtifacts: []api.BuildArtifacts{},
	}
	for _, e := range b.Phases {
		out.Phases = append(out.Phases, e.shown())
	}
	for _, s := range a.SecondaryArtifacts {
		out.SecondaryArtifacts = append(out.SecondaryArtifacts, *b.artifacts(s))
	}
	if r := b.Retry; r.Limit > 0 || r.Number > 0 {
		out.AutoRetryConfig = &api.AutoRetryConfig{
			AutoRetryLimit: new(int32(r.Limit)), AutoRetryNumber: new(int32(r.Number)), NextAutoRetry: op.Opt(r.Next), PreviousAutoRetry: op.Opt(r.Previous),
		}
	}
	if b.Interface != "" {
		out.NetworkInterface = &api.NetworkInterface{SubnetId: new(b.Subnet), NetworkInterfaceId: new(b.Interface)}
	}
	for _, v := range b.Exported {
		out.ExportedEnvironmentVariables = append(out.ExportedEnvironmentVariables, api.ExportedEnvironmentVariable{Name: new(v.Name), Value: new(v.Value)})
	}
	return out
}

func (e Entry) shown() api.BuildPhase {
	p := api.BuildPhase{PhaseType: new(string(e.Phase)), PhaseStatus: op.Opt(e.Status), StartTime: op.At(e.Start), EndTime: op.At(e.End)}
	if e.Status != "" {
		p.DurationInSeconds = new(int64(e.End.Sub(e.Start).Seconds()))
	}
	for _, c := range e.Contexts {
		p.Contexts = append(p.Contexts, api.PhaseContext{StatusCode: new(c.Code), Message: new(c.Message)})
	}
	return p
}

// sourceVersion is what was asked for; of a pipeline's build, the input artifact.
func (b Build) sourceVersion() string {
	if op.Val(b.Asked.Source.Type) == api.SourceTypeCodepipeline && op.Val(b.Asked.Source.Location) != "" {
		return "arn:aws:s3:::" + objectPath(op.Val(b.Asked.Source.Location))
	}
	return b.Asked.Version
}

// logStream is where the build's lines are kept.
func (b Build) logStream() (group, stream string) {
	group, stream = "/aws/codebuild/"+b.Project, b.UUID
	if l := b.Asked.Logs; l != nil && l.CloudWatchLogs != nil {
		group = op.Or(op.Opt(op.Val(l.CloudWatchLogs.GroupName)), group)
		if prefix := op.Val(l.CloudWatchLogs.StreamName); prefix != "" {
			stream = prefix + "/" + b.UUID
		}
	}
	return group, stream
}

// keepsLog tells whether the build's lines are kept at all.
func (b Build) keepsLog() bool {
	l := b.Asked.Logs
	return l == nil || l.CloudWatchLogs == nil || op.Val(l.CloudWatchLogs.Status) != "DISABLED"
}

func (b Build) logs() *api.LogsLocation {
	group, stream := b.logStream()
	out := &api.LogsLocation{
		CloudWatchLogs: &api.CloudWatchLogsConfig{Status: new("ENABLED")},
		S3Logs:         &api.S3LogsConfig{Status: new("DISABLED"), EncryptionDisabled: new(false)},
	}
	if l := b.Asked.Logs; l != nil {
		if l.CloudWatchLogs != nil {
			out.CloudWatchLogs = l.CloudWatchLogs
		}
		if l.S3Logs != nil {
			out.S3Logs = l.S3Logs
		}
	}
	switch {
	case !b.keepsLog():
	case b.Logged:
		out.GroupName, out.StreamName = new(group), new(stream)
		out.DeepLink = new(deepLink(b.Region, group, stream))
		out.CloudWatchLogsArn = new(arn.New("logs", b.Region, b.Account, "log-group:"+group+":log-stream:"+stream))
	default:
		out.DeepLink = new(deepLink(b.Region, "null", "null"))
		out.CloudWatchLogsArn = new(arn.New("logs", b.Region, b.Account, "log-group:null:log-stream:null"))
	}
	return out
}

func deepLink(region, group, stream string) string {
	escape := func(s string) string { return strings.ReplaceAll(s, "/", "$252F") }
	return "https://console.aws.amazon.com/cloudwatch/home?region=" + region + "#logsV2:log-groups/log-group/" + escape(group) + "/log-events/" + escape(stream)
}

func (b Build) artifacts(a api.ProjectArtifacts) *api.BuildArtifacts {
	out := &api.BuildArtifacts{
		ArtifactIdentifier: a.ArtifactIdentifier, OverrideArtifactName: a.OverrideArtifactName,
		EncryptionDisabled: a.EncryptionDisabled, BucketOwnerAccess: a.BucketOwnerAccess,
	}
	switch op.Val(a.Type) {
	case api.ArtifactsTypeCodepipeline:
		out.Location = new("")
	case api.ArtifactsTypeS3:
		prefix, name := b.artifactKey(a, "")
		out.Location = new("arn:aws:s3:::" + op.Val(a.Location) + "/" + prefix + name)
		for _, s := range b.Stored {
			if s.ID == op.Val(a.ArtifactIdentifier) || s.ID == "" && !b.isSecondary(a) {
				out.Location, out.Md5sum, out.Sha256sum = new(storedARN(s)), op.Opt(s.MD5), op.Opt(s.SHA256)
			}
		}
	default:
		out.Location = new("")
	}
	return out
}

func (b Build) isSecondary(a api.ProjectArtifacts) bool {
	for _, s := range b.Asked.SecondaryArtifacts {
		if op.Val(s.ArtifactIdentifier) == op.Val(a.ArtifactIdentifier) {
			return true
		}
	}
	return false
}

// artifactKey is where an artifact lies in its bucket: prefix and name. s3Prefix is
// the buildspec's, which takes the path's place.
func (b Build) artifactKey(a api.ProjectArtifacts, s3Prefix string) (prefix, name string) {
	path := strings.Trim(op.Or(op.Opt(s3Prefix), op.Val(a.Path)), "/")
	if path != "" {
		prefix = path + "/"
	}
	if op.Val(a.NamespaceType) == "BUILD_ID" {
		prefix += b.UUID + "/"
	}
	name = op.Or(op.Opt(op.Val(a.Name)), b.Project)
	if name == "/" {
		name = ""
	}
	return prefix, strings.TrimPrefix(name, "/")
}

func storedARN(s protocol.Stored) string { return "arn:aws:s3:::" + s.Bucket + "/" + s.Key }

func orEmpty[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

// objectPath is bucket/key of a location or an S3 ARN.
func objectPath(location string) string { return strings.TrimPrefix(location, "arn:aws:s3:::") }
