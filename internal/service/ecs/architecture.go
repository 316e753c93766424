package ecs

import "runtime"

// architecture is this host's, in ECS's word.
var architecture = map[string]string{"amd64": "X86_64", "arm64": "ARM64"}[runtime.GOARCH]
