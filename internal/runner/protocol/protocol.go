// Package protocol is what the runner in a build container and the server say to
// each other: JSON over HTTP below one control address, with a bearer token. The
// runner always asks and repeats until it is answered; every request may arrive
// twice. It is standard library only, for the runner is copied into every build.
package protocol

// Variables of the environment that the runner is started with. It removes them
// before any command runs.
const (
	ControlVariable = "PENSTOCK_CONTROL" // the control address of this build
	TokenVariable   = "PENSTOCK_TOKEN"
)

// Paths below the control address, in the order in which they are used.
const (
	StartPath = "start" // GET: Start
	SpecPath  = "spec"  // POST SpecRequest: Plan
	SyncPath  = "sync"  // POST Sync: Ack
)

// Phases that the runner reports. The others are the server's own.
const (
	DownloadSource  = "DOWNLOAD_SOURCE"
	Install         = "INSTALL"
	PreBuild        = "PRE_BUILD"
	BuildPhase      = "BUILD"
	PostBuild       = "POST_BUILD"
	UploadArtifacts = "UPLOAD_ARTIFACTS"
)

// Outcomes of phases and builds.
const (
	Succeeded = "SUCCEEDED"
	Failed    = "FAILED"
	Stopped   = "STOPPED"
	Fault     = "FAULT"
)

// Status codes of contexts.
const (
	ClientError           = "CLIENT_ERROR"
	CommandExecutionError = "COMMAND_EXECUTION_ERROR"
	YAMLFileError         = "YAML_FILE_ERROR"
)

// Context says why a phase ended as it did; both empty on success.
type Context struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Start is what the runner needs before it knows the buildspec.
type Start struct {
	Build   string    `json:"build"` // project:uuid
	ARN     string    `json:"arn"`
	Root    string    `json:"root"` // the build\'s folder; "" is /codebuild
	Region  string    `json:"region"`
	Trust   string    `json:"trust,omitzero"` // PEM certificates to add to the image's own
	Sources []Source  `json:"sources"`        // the primary one first
	Spec    SpecPlace `json:"spec"`
	// Docker asks for a Docker daemon of the build's own before the first phase.
	Docker bool `json:"docker,omitzero"`
	// MTU of the network, for the nested daemon's bridge; 0 is the interface's own.
	MTU int `json:"mtu,omitzero"`
	// KeepSource and KeepLayers tell that what is below local-cache/source, and the
	// daemon's folder, outlive this build.
	KeepSource bool `json:"keepSource,omitzero"`
	KeepLayers bool `json:"keepLayers,omitzero"`
	// S3 is the address of the object store, path style ("https://s3.us-east-1.amazonaws.com").
	S3 string `json:"s3"`
	// Credentials is the address of the role's credentials, and what the commands
	// find in AWS_CONTAINER_CREDENTIALS_RELATIVE_URI.
	Credentials string `json:"credentials"`
}

// Kinds of sources.
const (
	FromNothing = "NONE"
	FromS3      = "S3"
	FromGit     = "GIT"
)

// Source is one tree of files to bring.
type Source struct {
	ID   string `json:"id,omitzero"` // "" is the primary one
	Kind string `json:"kind"`
	Dir  string `json:"dir"`
	// S3: Key of a zip, or a folder (it ends in a slash). Version "" is the latest.
	Bucket  string `json:"bucket,omitzero"`
	Key     string `json:"key,omitzero"`
	Version string `json:"version,omitzero"`
	// Git: Ref is a branch, a tag, a commit, or "" for the default branch.
	URL        string `json:"url,omitzero"`
	Ref        string `json:"ref,omitzero"`
	Depth      int    `json:"depth,omitzero"`
	Submodules bool   `json:"submodules,omitzero"`
}

// SpecPlace says where the buildspec is: inline text, an object, or a path below
// the primary source ("" is buildspec.yml).
type SpecPlace struct {
	Inline string `json:"inline,omitzero"`
	Path   string `json:"path,omitzero"`
	Bucket string `json:"bucket,omitzero"`
	Key    string `json:"key,omitzero"`
}

// SpecRequest brings the buildspec to the server, which parses it, resolves
// secrets and parameters as the service role, and answers the plan.
type SpecRequest struct {
	Text     string            `json:"text"`
	Resolved map[string]string `json:"resolved,omitzero"` // source id → commit or object version
}

// Plan is what to run. Refusal ends the build in DOWNLOAD_SOURCE.
type Plan struct {
	Refusal   *Context   `json:"refusal,omitzero"`
	Variables []Variable `json:"variables"`
	Shell     string     `json:"shell"` // "sh" or "bash"
	RunAs     string     `json:"runAs,omitzero"`
	// Isolated is buildspec version 0.1: nothing survives from command to command.
	Isolated  bool       `json:"isolated,omitzero"`
	GitHelper bool       `json:"gitHelper,omitzero"`
	Phases    []Phase    `json:"phases"`
	Exported  []string   `json:"exported,omitzero"`
	Artifacts []Artifact `json:"artifacts,omitzero"`
	Cache     *Cache     `json:"cache,omitzero"`
	Notes     []string   `json:"notes,omitzero"` // lines to print, such as "Selecting …"
}

// Variable is one variable of the commands' environment. The value of a Secret is
// kept out of the log.
type Variable struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Secret bool   `json:"secret,omitzero"`
}

// What to do after a phase has failed.
const (
	OnFailureAbort    = "ABORT"
	OnFailureContinue = "CONTINUE"
)

// Phase is one phase of the buildspec.
type Phase struct {
	Name      string `json:"name"`
	RunAs     string `json:"runAs,omitzero"`
	OnFailure string `json:"onFailure,omitzero"`
	// Retries is how many further builds the phase asks for where it fails, Matching (a
	// regular expression, "" for any) with which message.
	Retries  int      `json:"retries,omitzero"`
	Matching string   `json:"matching,omitzero"`
	Declared bool     `json:"declared,omitzero"` // it stands in the buildspec
	Commands []string `json:"commands,omitzero"`
	Finally  []string `json:"finally,omitzero"`
}

// Artifact is one set of files to store.
type Artifact struct {
	ID           string   `json:"id,omitzero"` // "" is the primary one
	Files        []string `json:"files"`
	Exclude      []string `json:"exclude,omitzero"`
	Base         string   `json:"base,omitzero"`
	DiscardPaths bool     `json:"discardPaths,omitzero"`
	Symlinks     bool     `json:"symlinks,omitzero"`
	// Bucket, and Prefix + Name is the key. A NameExpression replaces Name by what
	// the shell makes of it. Zip stores one archive, else each file below the key.
	Bucket         string `json:"bucket"`
	Prefix         string `json:"prefix,omitzero"`
	Name           string `json:"name,omitzero"`
	NameExpression string `json:"nameExpression,omitzero"`
	Zip            bool   `json:"zip,omitzero"`
	KMSKey         string `json:"kmsKey,omitzero"` // "" is the bucket's own encryption
}

// Cache is what earlier builds kept: brought before INSTALL, kept after POST_BUILD.
type Cache struct {
	Paths []string `json:"paths"`
	// Local keeps the folders themselves, below local-cache; the rest is of S3.
	Local  bool   `json:"local,omitzero"`
	Bucket string `json:"bucket,omitzero"`
	Prefix string `json:"prefix,omitzero"` // of the objects' keys; it ends in a slash
	// Key and Fallback are expressions of the shell. Without a Key there is one entry.
	Key      string   `json:"key,omitzero"`
	Fallback []string `json:"fallback,omitzero"`
	Restore  bool     `json:"restore,omitzero"`
	Save     bool     `json:"save,omitzero"`
	KMSKey   string   `json:"kmsKey,omitzero"` // "" is the bucket's own encryption
}

// Sync brings lines and reports. Both are numbered from 0 and kept by the runner
// until they are acknowledged.
type Sync struct {
	First   uint64   `json:"first"` // number of Lines[0]
	Lines   []Line   `json:"lines,omitzero"`
	Reports []Report `json:"reports,omitzero"`
}

// Line is one line of the log.
type Line struct {
	At   int64  `json:"at"` // epoch milliseconds
	Text string `json:"text"`
}

// Ack acknowledges: everything below Lines and below Reports is kept.
type Ack struct {
	Lines   uint64 `json:"lines"`
	Reports uint64 `json:"reports"`
}

// Report is one thing that happened, in order.
type Report struct {
	N     uint64  `json:"n"`
	At    int64   `json:"at"`             // epoch milliseconds
	Phase string  `json:"phase,omitzero"` // the phase that began or ended; "" is the end of the build
	State string  `json:"state,omitzero"` // "" when the phase began, else its outcome
	Why   Context `json:"why,omitzero"`
	// Resolved comes with the end of DOWNLOAD_SOURCE, Exported with the end of
	// POST_BUILD, Stored with the end of UPLOAD_ARTIFACTS.
	Resolved map[string]string `json:"resolved,omitzero"`
	Exported []Variable        `json:"exported,omitzero"`
	Stored   []Stored          `json:"stored,omitzero"`
	// Retries comes with the end of a build: as Phase's.
	Retries int `json:"retries,omitzero"`
}

// Stored is an artifact where it lies now. The sums are of a zip only.
type Stored struct {
	ID     string `json:"id,omitzero"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	MD5    string `json:"md5,omitzero"`
	SHA256 string `json:"sha256,omitzero"`
}
