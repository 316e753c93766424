package docker

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/moby/moby/api/types/container"
)

// capabilityNames are the kernel's, by bit.
var capabilityNames = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

// capabilities are what this host can grant to a container.
type capabilities struct {
	names, missing []string
	all            bool // all that the kernel has: the Engine's own privileged mode works

	mu      sync.Mutex
	unknown map[string]bool // the kernel has them, the Engine is too old to know them
}

var boundingSet = regexp.MustCompile(`(?m)^CapBnd:\s*([0-9a-f]+)$`)

// hostCapabilities reads the bounding set. Where the host itself is a container
// or a sandbox some are missing, and the Engine's privileged mode, which asks for
// every one, fails.
func hostCapabilities(status string) (*capabilities, error) {
	body, err := os.ReadFile(status)
	if err != nil {
		return nil, err
	}
	m := boundingSet.FindSubmatch(body)
	if m == nil {
		return nil, fmt.Errorf("%s has no line CapBnd", status)
	}
	bits, err := strconv.ParseUint(string(m[1]), 16, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: CapBnd: %w", status, err)
	}
	c := &capabilities{all: true, unknown: map[string]bool{}}
	last := 63
	for last > 0 && bits&(1<<last) == 0 {
		last-- // above it the kernel knows none
	}
	for bit, name := range capabilityNames {
		switch {
		case bits&(1<<bit) != 0:
			c.names = append(c.names, "CAP_"+name)
		case bit < last:
			c.all = false
			c.missing = append(c.missing, "CAP_"+name)
		}
	}
	return c, nil
}

// privileged makes a container as strong as this host can. What the Engine's mode
// does and options can not say is left to the process inside: it remounts
// /sys/fs/cgroup/* writable (remount,bind,rw).
func (c *capabilities) privileged(h *container.HostConfig) {
	if c.all {
		h.Privileged = true
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h.CapAdd = slices.DeleteFunc(slices.Clone(c.names), func(name string) bool { return c.unknown[name] })
	h.SecurityOpt = []string{"seccomp=unconfined", "apparmor=unconfined", "label=disable"}
	h.MaskedPaths, h.ReadonlyPaths = []string{}, []string{}
	h.DeviceCgroupRules = []string{"a *:* rwm"}
}

var unknownCapability = regexp.MustCompile(`unknown capability: "(CAP_[A-Z_]+)"`)

// learn takes from the Engine's refusal which capability it does not know; there
// is no other way to ask. False: the refusal was about something else.
func (c *capabilities) learn(refusal error) bool {
	m := unknownCapability.FindStringSubmatch(refusal.Error())
	if m == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unknown[m[1]] {
		return false
	}
	c.unknown[m[1]] = true
	return true
}

// MissingCapabilities are those that the kernel has and this machine can not grant.
func MissingCapabilities() ([]string, error) {
	c, err := hostCapabilities("/proc/self/status")
	if err != nil {
		return nil, fmt.Errorf("docker: reading this host's capabilities: %w", err)
	}
	return c.missing, nil
}
