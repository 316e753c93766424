package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/penstock-ci/penstock/internal/compute/docker"
)

// Check is what doctor found about one thing. A check that is not OK and not
// Fatal costs a feature, which Detail names.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Fatal  bool   `json:"fatal,omitzero"`
	Detail string `json:"detail"`
	Next   string `json:"next,omitzero"` // the next step, when it is not OK
}

// Doctor says where to look.
type Doctor struct {
	Engine string // address of the Docker Engine; "" = DOCKER_HOST or the default socket
	Data   string // data folder
	Listen string // address that the server will listen on; "" is not checked
	Site   string // likewise for the load balancers
}

// Run makes all checks; it changes nothing.
func (d Doctor) Run(ctx context.Context) []Check {
	return append([]Check{
		system(), root(), namespaces(), overlay(), packetFilter(ctx), forwarding(), capabilities(), cgroups(),
		d.disk(), port("port", "--listen", d.Listen), port("port of the sites", "--site", d.Site),
	}, d.engine(ctx)...)
}

func good(name, detail string) Check { return Check{Name: name, OK: true, Detail: detail} }

func bad(name, detail, next string) Check {
	return Check{Name: name, Fatal: true, Detail: detail, Next: next}
}

func system() Check {
	const name = "Linux"
	if runtime.GOOS != "linux" {
		return bad(name, "this is "+runtime.GOOS, "run Penstock on Linux; its clients run anywhere")
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return bad(name, err.Error(), "")
	}
	return good(name, unix.ByteSliceToString(u.Release[:])+" "+unix.ByteSliceToString(u.Machine[:]))
}

func root() Check {
	if os.Getuid() == 0 {
		return good("root", "this program may make namespaces")
	}
	return bad("root", "this program runs as user "+strconv.Itoa(os.Getuid()), "run penstock serve as root: it makes network namespaces and enters them")
}

func namespaces() Check {
	const name = "network namespaces"
	if _, err := os.Stat("/proc/self/ns/net"); err != nil {
		return bad(name, err.Error(), "use a kernel with CONFIG_NET_NS")
	}
	if os.Getuid() != 0 {
		return Check{Name: name, Detail: "can be tried by root only", Next: "run penstock doctor as root"}
	}
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		failed <- unix.Unshare(unix.CLONE_NEWNET)
	}()
	if err := <-failed; err != nil {
		return bad(name, "making one: "+err.Error(), "give this machine or sandbox CAP_SYS_ADMIN")
	}
	return good(name, "can be made")
}

func overlay() Check {
	const name = "overlay file system"
	body, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return Check{Name: name, Detail: err.Error()}
	}
	for line := range strings.Lines(string(body)) {
		if f := strings.Fields(line); len(f) > 0 && f[len(f)-1] == "overlay" {
			return good(name, "the kernel has it")
		}
	}
	return Check{Name: name, Detail: "the kernel has none: images take more room and start slower", Next: "modprobe overlay"}
}

// packetFilter asks for a list; a machine whose kernel lacks nf_tables refuses.
func packetFilter(ctx context.Context) Check {
	const name = "nftables"
	if _, err := exec.LookPath("nft"); err != nil {
		return Check{Name: name, Detail: "program nft is not installed: only needed to look at the rules", Next: "penstock setup"}
	}
	if out, err := exec.CommandContext(ctx, "nft", "list", "tables").CombinedOutput(); err != nil {
		return bad(name, strings.TrimSpace(string(out)), "use a kernel with CONFIG_NF_TABLES, as root")
	}
	return good(name, "answers")
}

func forwarding() Check {
	const name = "IPv4 forwarding"
	body, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err != nil {
		return bad(name, err.Error(), "")
	}
	if strings.TrimSpace(string(body)) == "1" {
		return good(name, "is on")
	}
	return good(name, "is off; penstock serve turns it on, and off again by penstock uninstall")
}

// capabilities compares with what the kernel has. What lacks costs strength of
// privileged builds only.
func capabilities() Check {
	const name = "capabilities"
	missing, err := docker.MissingCapabilities()
	if err != nil {
		return Check{Name: name, Detail: err.Error()}
	}
	if len(missing) == 0 {
		return good(name, "this machine can grant all")
	}
	detail := "this machine can not grant " + strings.Join(missing, ", ") + ": privileged builds run with the others"
	for _, m := range missing {
		if m == "CAP_SYS_ADMIN" || m == "CAP_NET_ADMIN" {
			return bad(name, detail, "give this machine or sandbox "+m)
		}
	}
	return good(name, detail)
}

func cgroups() Check {
	const name = "cgroups"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return good(name, "version 2")
	}
	found, err := filepath.Glob("/sys/fs/cgroup/memory/memory.limit_in_bytes")
	if err != nil || len(found) == 0 {
		return Check{Name: name, Detail: "no memory controller: memory limits of tasks and builds do not hold", Next: "mount /sys/fs/cgroup"}
	}
	return good(name, "version 1")
}

// roomWanted is a first delivery with its images; roomNeeded is where work stops.
const (
	roomWanted = 10 << 30
	roomNeeded = 2 << 30
)

func (d Doctor) disk() Check {
	const name = "disk"
	dir := d.Data
	for {
		if _, err := os.Stat(dir); err == nil || dir == "/" || dir == "." || dir == "" {
			break
		}
		dir = filepath.Dir(dir) // the data folder may be made later
	}
	if dir == "" {
		dir = "/"
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return bad(name, dir+": "+err.Error(), "")
	}
	free := int64(s.Bavail) * s.Bsize
	detail := fmt.Sprintf("%d GB free at %s", free/1e9, dir)
	switch {
	case free < roomNeeded:
		return bad(name, detail, "make room: at least 2 GB are needed")
	case free < roomWanted:
		return Check{Name: name, Detail: detail + ": images and caches may fill it", Next: "make room: 10 GB are comfortable"}
	}
	return good(name, detail)
}

// port checks the address that the option chooses.
func port(name, option, address string) Check {
	if address == "" {
		return good(name, "not asked for")
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, unix.EADDRINUSE) {
		return Check{Name: name, Detail: address + " is taken: by a running penstock serve, or by another program", Next: "penstock status; else choose another by " + option}
	}
	if err != nil {
		return bad(name, address+": "+err.Error(), "choose another address by "+option)
	}
	if err := l.Close(); err != nil {
		return bad(name, address+": "+err.Error(), "")
	}
	return good(name, address+" is free")
}

func (d Doctor) engine(ctx context.Context) []Check {
	const name = "Docker Engine"
	e, err := docker.Connect(d.Engine)
	if err != nil {
		return []Check{bad(name, err.Error(), "mend DOCKER_HOST")}
	}
	defer e.Close()
	f, err := e.Facts(ctx)
	if err != nil {
		return []Check{bad(name, err.Error(), "penstock setup installs and starts one")}
	}
	checks := []Check{good(name, fmt.Sprintf("%s, API %s, %s, cgroup v%s (%s), data in %s", f.Version, f.API, f.StorageDriver, f.CgroupVersion, f.CgroupDriver, f.Root))}
	if major, minor, ok := strings.Cut(f.API, "."); ok {
		n, err := strconv.Atoi(minor)
		if major == "1" && err == nil && n < 40 {
			checks[0] = bad(name, "its API is "+f.API, "upgrade to Docker 19.03 or newer (API 1.40)")
		}
	}
	live := good("live restore", "is on: pods survive a restart of the Engine")
	if !f.LiveRestore {
		live = good("live restore", "is off: tasks and builds are replaced when the Engine restarts (\"live-restore\": true in /etc/docker/daemon.json keeps them)")
	}
	return append(checks, live)
}
