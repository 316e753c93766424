// Package compute is where containers run: the seam between services that need a
// pod (a build, a task, a database) and a back end that runs it. Its callers never
// see Docker; a back end never sees an AWS service.
package compute

import (
	"context"
	"net/netip"
	"time"
)

// Pod is containers that share one network namespace.
type Pod struct {
	Name       string // deterministic ("build-<id>-1"): its identity; also its label
	Owner      string // row that owns it, for the sweeper ("codebuild.build/demo:…")
	Interface  string // id of the network interface it gets; "" = an address in the service network
	Hostname   string // "" = generic; anything else cannot use a pod kept ready
	Containers []Container
	// Tag is handed to the data plane with the pod's address: what the link-local
	// services answer for it (credentials, metadata, build control).
	Tag string
}

// Container is one process of a pod. It starts once every After holds.
type Container struct {
	Name, Image string
	Entry       []string // nil = the image's
	Args        []string // nil = the image's
	Env         []string // "NAME=value", over the image's
	User        string   // "" = the image's
	WorkingDir  string   // "" = the image's
	After       []Dependency
	Essential   bool // the pod stops when it stops
	Privileged  bool // every capability the host can grant; on Docker also cgroups writable
	// ReadOnlyRoot mounts the root read-only; the CA bundles are then bind-mounted.
	ReadOnlyRoot bool
	// TrustCA puts Penstock's CA into the image's bundles before the first process starts.
	TrustCA     bool
	CPU         float64 // cores; 0 = no limit
	Memory      int64   // bytes; 0 = no limit
	MemoryHint  int64   // bytes; soft limit
	StopSignal  string
	StopTimeout time.Duration
	Health      *Health
	Ulimits     []Ulimit
	Mounts      []Mount
	Files       []File // put in before the start
	Labels      map[string]string
	Init        bool // a reaping init as PID 1
}

// Dependency is ECS's dependsOn. Condition: START, COMPLETE, SUCCESS, HEALTHY.
type Dependency struct{ Container, Condition string }

// Health is Docker's health check. Command[0] is CMD or CMD-SHELL.
type Health struct {
	Command                        []string
	Interval, Timeout, StartPeriod time.Duration
	Retries                        int
}

// Ulimit is one resource limit of a process ("nofile").
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Mount is a folder: either a volume shared by the pod's containers, gone with the
// pod (Volume), or a folder of the host that outlives it (HostPath). Docker volumes
// are never used.
type Mount struct {
	Volume, HostPath, Path string
	ReadOnly               bool
}

// File is written into the container's file system before its first process starts.
type File struct {
	Path string
	Mode int64
	UID  int
	Body []byte
}

// Phase is where a pod is; it moves only forward for one Pod name.
type Phase string

// Phases of a pod. LOST means that its network namespace or its containers are
// gone without having been stopped: the owner replaces it.
const (
	Pending Phase = "PENDING"
	Running Phase = "RUNNING"
	Stopped Phase = "STOPPED"
	Lost    Phase = "LOST"
)

// Status is observed, never desired.
type Status struct {
	Pod, Owner string
	Phase      Phase
	Reason     string     // why LOST or failed to start, for people ("CannotPullContainerError: …")
	NetNS      string     // path, "" where the back end owns the network
	Address    netip.Addr // of the pod's eth0
	Containers []ContainerStatus
}

// ContainerStatus is one container, observed. Health: "", STARTING, HEALTHY, UNHEALTHY.
type ContainerStatus struct {
	Name        string
	ID          string // the back end's own
	ImageDigest string
	Health      string
	StartedAt   time.Time
	Exit        *Exit
}

// Exit is how a container ended.
type Exit struct {
	Code int
	OOM  bool
	At   time.Time
}

// Backend runs pods. Every verb is idempotent by the pod's name.
type Backend interface {
	// Ensure finds or starts; it returns once the start is asked for, not once the
	// pod has ended. An error means that nothing of the pod runs.
	Ensure(ctx context.Context, p Pod) (Status, error)
	// Stop sends each container its stop signal, and SIGKILL after grace. The pod
	// stays, STOPPED, until it is removed.
	Stop(ctx context.Context, pod string, grace time.Duration) error
	// Remove stops at once and removes; gone already is success.
	Remove(ctx context.Context, pod string) error
	List(ctx context.Context) ([]Status, error)
	// Watch calls f with all pods now, then with every change, until ctx ends or the
	// back end is lost (an error: call again).
	Watch(ctx context.Context, f func(Status)) error
}

// Logs is the optional ability to follow a container's output. Lines are numbered
// from 0 in the order they were written (stdout and stderr together); f is called
// from line number from on, and an error of f ends it. It returns nil when the
// container has ended and all its lines were given.
type Logs interface {
	Logs(ctx context.Context, pod, container string, from uint64, f func(n uint64, at time.Time, line string) error) error
}

// Shell is the optional ability to run a command in a running container
// (penstock exec, ECS health probes by hand). It returns the exit code and what was printed.
type Shell interface {
	Exec(ctx context.Context, pod, container string, command []string) (code int, output []byte, err error)
}

// Attacher gives a pod's network namespace its interface (network.Plane does).
// It is called after the namespace exists and before the first application
// container starts; the address is its result. tag travels to the data plane.
type Attacher interface {
	AttachPod(ctx context.Context, interfaceID, pod, netns, tag string) (netip.Addr, error)
	DetachPod(ctx context.Context, interfaceID, pod string) error
}

// Images resolves and brings images: a name as users write it
// ("123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1", "public.ecr.aws/…",
// "postgres:16") to what the back end can start. scope and role say who pulls
// (the task's execution role, the build's service role).
type Images interface {
	Pull(ctx context.Context, account, region, role, image string) (digest string, err error)
}
