package runner

import "syscall"

// remountWritable lifts the read-only flag of a mount. It must be a bind remount
// (the superblock is the host's), and keep the flags that the Engine locked.
func remountWritable(path string) error {
	return syscall.Mount("", path, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
}

// fileLimit is how many files a process of this container may open: no child may
// have more without SYS_RESOURCE.
func fileLimit() uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Max > 1<<20 {
		return 1 << 20
	}
	return l.Max
}
