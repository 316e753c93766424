package ecs

import (
	"strconv"
	"strings"
)

// memoryRange is a range of task memory in MiB.
type memoryRange struct{ from, to, by int }

// fargate are the pairs of task CPU and memory that AWS offers.
var fargate = map[int][]memoryRange{
	256:   {{512, 512, 1}, {1024, 2048, 1024}},
	512:   {{1024, 4096, 1024}},
	1024:  {{2048, 8192, 1024}},
	2048:  {{4096, 16384, 1024}},
	4096:  {{8192, 30720, 1024}},
	8192:  {{16384, 61440, 4096}},
	16384: {{32768, 122880, 8192}},
}

// isFargate tells whether AWS has such a configuration.
func isFargate(cpu, memory int) bool {
	for _, s := range fargate[cpu] {
		if memory >= s.from && memory <= s.to && (memory-s.from)%s.by == 0 {
			return true
		}
	}
	return false
}

// size normalises task CPU ("256", ".25 vCPU") and memory ("512", "0.5 GB").
func size(cpu, memory string) (units, mib string, ok bool) {
	units, okCPU := scaled(cpu, "vcpu")
	mib, okMemory := scaled(memory, "gb")
	return units, mib, okCPU && okMemory
}

func scaled(s, unit string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" {
		return "", true
	}
	if number, isScaled := strings.CutSuffix(s, unit); isScaled {
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || f <= 0 || f > 1024 {
			return "", false
		}
		return strconv.Itoa(int(f * 1024)), true
	}
	n, err := strconv.Atoi(s)
	return strconv.Itoa(n), err == nil && n > 0
}
