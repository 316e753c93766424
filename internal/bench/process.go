package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const starts = 10

// ready kills the server and starts it on the same data. The floor is the same program
// started only to print its help.
func (b *Bench) ready(ctx context.Context) ([]Row, error) {
	if _, err := b.running(ctx); err != nil {
		return nil, err
	}
	var ours, floor samples
	for range starts {
		if err := b.Server.Kill(); err != nil {
			return nil, err
		}
		took, err := b.timed(func() error { _, err := b.Server.Start(ctx); return err })
		if err != nil {
			return nil, err
		}
		ours = append(ours, ms(took))
		if took, err = b.timed(exec.CommandContext(ctx, b.Program, "--help").Run); err != nil {
			return nil, fmt.Errorf("run %s --help: %w", b.Program, err)
		}
		floor = append(floor, ms(took))
	}
	return []Row{row("ready", ours, floor)}, nil
}

const (
	// idle is how long a server is left alone before its memory counts.
	idle  = 2 * time.Second
	looks = 20
)

// memory is what the kernel counts as resident, pages of the program's file included,
// in both processes. The floor is the same program, twice, waiting for its input.
func (b *Bench) memory(ctx context.Context) ([]Row, error) {
	if _, err := b.running(ctx); err != nil {
		return nil, err
	}
	if err := b.pause(ctx, idle); err != nil {
		return nil, err
	}
	processes, err := b.Server.Processes(ctx)
	if err != nil {
		return nil, err
	}
	var ours samples
	for range looks {
		all := 0.0
		for _, pid := range processes {
			mb, err := resident(pid)
			if err != nil {
				return nil, err
			}
			all += mb
		}
		ours = append(ours, all)
		if err := b.pause(ctx, idle/looks); err != nil {
			return nil, err
		}
	}
	least, err := b.waiting(ctx)
	if err != nil {
		return nil, err
	}
	return []Row{row("memory", ours, samples{least * float64(len(processes))})}, nil
}

// waiting is the memory of a process of this program that has nothing to do.
func (b *Bench) waiting(ctx context.Context) (mb float64, err error) {
	process := exec.CommandContext(ctx, b.Program, "git-credential", "get")
	input, err := process.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := process.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", b.Program, err)
	}
	defer func() {
		// It is ended before it has asked anybody anything: how it ends says nothing.
		_ = process.Process.Kill()
		_ = process.Wait()
		_ = input.Close()
	}()
	if err := b.pause(ctx, idle/4); err != nil {
		return 0, err
	}
	return resident(process.Process.Pid)
}

// resident is a process's VmRSS in MB of 10^6 bytes.
func resident(pid int) (float64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return float64(kb) * 1024 / 1e6, err
		}
	}
	return 0, errors.New("the kernel tells no VmRSS of process " + strconv.Itoa(pid))
}
