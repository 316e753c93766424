package ecs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

func isName(s string) bool { return namePattern.MatchString(s) }

// checkDefinition refuses what AWS refuses to register, in its words where they are known.
func checkDefinition(in *api.RegisterTaskDefinitionInput) error {
	if !isName(op.Val(in.Family)) {
		return api.ClientException("Family contains invalid characters.")
	}
	if len(in.ContainerDefinitions) == 0 {
		return api.ClientException("Container list cannot be empty.")
	}
	if len(in.ContainerDefinitions) > 10 {
		return api.ClientException("A task definition can have at most 10 containers.")
	}
	if _, _, ok := size(op.Val(in.Cpu), op.Val(in.Memory)); !ok {
		return api.ClientException("Invalid 'cpu' or 'memory' setting for task.")
	}
	if p := in.RuntimePlatform; p != nil && strings.HasPrefix(op.Val(p.OperatingSystemFamily), "WINDOWS") {
		return api.ClientException("Windows containers are not supported: set runtimePlatform.operatingSystemFamily to LINUX.")
	}
	names := map[string]bool{}
	hasEssential := false
	for i := range in.ContainerDefinitions {
		c := &in.ContainerDefinitions[i]
		if err := checkContainer(in, c); err != nil {
			return err
		}
		if names[*c.Name] {
			return api.ClientException("Container names must be unique: %s is used more than once.", *c.Name)
		}
		names[*c.Name] = true
		hasEssential = hasEssential || op.Or(c.Essential, true)
	}
	if !hasEssential {
		return api.ClientException("All containers cannot be non-essential: at least one container of a task definition must be essential.")
	}
	if err := checkOrder(in.ContainerDefinitions); err != nil {
		return err
	}
	if slices.Contains(in.RequiresCompatibilities, "FARGATE") {
		return asError(fargateError(in))
	}
	return nil
}

// asError keeps a nil *op.Error from becoming an error that is not nil.
func asError(e *op.Error) error {
	if e == nil {
		return nil
	}
	return e
}

func checkContainer(in *api.RegisterTaskDefinitionInput, c *api.ContainerDefinition) error {
	mode := networkMode(in)
	switch {
	case op.Val(c.Name) == "":
		return api.ClientException("Container.name should not be null or empty.")
	case op.Val(c.Image) == "":
		return api.ClientException("Container.image should not be null or empty.")
	case !isName(*c.Name):
		return api.ClientException("Container.name contains invalid characters.")
	case c.Memory != nil && *c.Memory != 0 && *c.Memory < 6, c.MemoryReservation != nil && *c.MemoryReservation != 0 && *c.MemoryReservation < 6:
		return api.ClientException("Invalid setting for container '%s'. The minimum valid value for 'memory' is 6 MiB.", *c.Name)
	case c.Memory != nil && c.MemoryReservation != nil && *c.Memory != 0 && *c.Memory < *c.MemoryReservation:
		return api.ClientException("Invalid setting for container '%s'. 'memory' must not be less than 'memoryReservation'.", *c.Name)
	case op.Val(in.Memory) == "" && op.Val(c.Memory) == 0 && op.Val(c.MemoryReservation) == 0:
		return api.ClientException("Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", *c.Name)
	case mode == "none" && len(c.PortMappings) > 0:
		return api.ClientException("Port mappings are not valid when networkMode=none.")
	case mode == "awsvpc" && (op.Val(c.Hostname) != "" || len(c.Links) > 0 || len(c.DnsServers) > 0 || len(c.DnsSearchDomains) > 0 || len(c.ExtraHosts) > 0):
		return api.ClientException("Links, hostname, DNS settings and extra hosts are not supported when networkMode=awsvpc.")
	}
	for _, p := range c.PortMappings {
		if port := op.Val(p.ContainerPort); port < 0 || port > 65535 {
			return api.ClientException("Invalid setting for container '%s'. Port %d is out of range.", *c.Name, port)
		}
		if host := op.Val(p.HostPort); host != 0 && host != op.Val(p.ContainerPort) && (mode == "awsvpc" || mode == "host") {
			return api.ClientException("When networkMode=%s, the host ports and container ports in port mappings must match.", mode)
		}
	}
	if err := checkHealth(c); err != nil {
		return err
	}
	return checkSecrets(c)
}

func checkHealth(c *api.ContainerDefinition) error {
	h := c.HealthCheck
	if h == nil || len(h.Command) == 0 {
		return nil
	}
	for _, r := range []struct {
		name     string
		value    *int32
		from, to int32
	}{{"interval", h.Interval, 5, 300}, {"timeout", h.Timeout, 2, 60}, {"retries", h.Retries, 1, 10}, {"startPeriod", h.StartPeriod, 0, 300}} {
		if r.value != nil && (*r.value < r.from || *r.value > r.to) {
			return api.ClientException("Invalid setting for container '%s'. healthCheck.%s must be between %d and %d.", *c.Name, r.name, r.from, r.to)
		}
	}
	return nil
}

func checkSecrets(c *api.ContainerDefinition) error {
	names := map[string]bool{}
	for _, v := range c.Environment {
		names[op.Val(v.Name)] = true
	}
	for _, s := range c.Secrets {
		if names[op.Val(s.Name)] {
			return api.ClientException("The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'.", op.Val(s.Name))
		}
		names[op.Val(s.Name)] = true
		if _, err := parseSecret(op.Val(s.ValueFrom)); err != nil {
			return api.ClientException("Invalid setting for container '%s'. Secret %s: %s.", *c.Name, op.Val(s.Name), err)
		}
	}
	return nil
}

// checkOrder refuses dependencies that can never hold.
func checkOrder(containers []api.ContainerDefinition) error {
	byName := map[string]*api.ContainerDefinition{}
	for i := range containers {
		byName[*containers[i].Name] = &containers[i]
	}
	for _, c := range containers {
		for _, d := range c.DependsOn {
			on := byName[op.Val(d.ContainerName)]
			switch condition := op.Val(d.Condition); {
			case on == nil:
				return api.ClientException("Container '%s' depends on container '%s', which does not exist.", *c.Name, op.Val(d.ContainerName))
			case (condition == "COMPLETE" || condition == "SUCCESS") && op.Or(on.Essential, true):
				return api.ClientException("Container '%s' depends on essential container '%s' with condition %s: an essential container may not be waited for to end.", *c.Name, *on.Name, condition)
			case condition == "HEALTHY" && on.HealthCheck == nil:
				return api.ClientException("Container '%s' depends on container '%s' being HEALTHY, which has no health check.", *c.Name, *on.Name)
			}
		}
	}
	seen := map[string]int{}
	var visit func(name string) bool
	visit = func(name string) bool {
		if seen[name] != 0 {
			return seen[name] == 2
		}
		seen[name] = 1
		for _, d := range byName[name].DependsOn {
			if !visit(*d.ContainerName) {
				return false
			}
		}
		seen[name] = 2
		return true
	}
	for name := range byName {
		if !visit(name) {
			return api.ClientException("The container dependencies form a cycle, which includes container '%s'.", name)
		}
	}
	return nil
}

// fargateError tells why a definition cannot run on Fargate.
func fargateError(in *api.RegisterTaskDefinitionInput) *op.Error {
	cpu, memory, _ := size(op.Val(in.Cpu), op.Val(in.Memory))
	units, _ := strconv.Atoi(cpu)
	mib, _ := strconv.Atoi(memory)
	switch {
	case networkMode(in) != "awsvpc":
		return api.ClientException("Fargate only supports network mode ‘awsvpc’.")
	case cpu == "":
		return api.ClientException("Fargate requires that 'cpu' be defined at the task level.")
	case memory == "":
		return api.ClientException("Fargate requires that 'memory' be defined at the task level.")
	case !isFargate(units, mib):
		return api.ClientException("No Fargate configuration exists for given values.")
	case op.Val(in.PidMode) == "host" || op.Val(in.IpcMode) == "host":
		return api.ClientException("Fargate does not support the 'host' setting of 'pidMode' and 'ipcMode'.")
	}
	for _, v := range in.Volumes {
		if v.Host != nil && op.Val(v.Host.SourcePath) != "" || v.DockerVolumeConfiguration != nil {
			return api.ClientException("Fargate compatible task definitions do not support sourcePath and Docker volumes.")
		}
	}
	for i := range in.ContainerDefinitions {
		if err := fargateContainerError(in, &in.ContainerDefinitions[i]); err != nil {
			return err
		}
	}
	return nil
}

func fargateContainerError(in *api.RegisterTaskDefinitionInput, c *api.ContainerDefinition) *op.Error {
	if op.Val(c.Privileged) {
		return api.ClientException("Fargate compatible task definitions do not support privileged containers.")
	}
	if l := c.LinuxParameters; l != nil && (len(l.Devices) > 0 || l.SharedMemorySize != nil || l.MaxSwap != nil || l.Swappiness != nil || len(l.Tmpfs) > 0) {
		return api.ClientException("Fargate compatible task definitions do not support devices, sharedMemorySize, tmpfs, maxSwap and swappiness.")
	}
	hasRole := op.Val(in.ExecutionRoleArn) != ""
	if isECR(*c.Image) && !hasRole {
		return api.ClientException("Fargate requires task definition to have execution role ARN to support ECR images.")
	}
	if l := c.LogConfiguration; l != nil && op.Val(l.LogDriver) == "awslogs" {
		if !hasRole {
			return api.ClientException("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
		}
		for _, option := range []string{"awslogs-group", "awslogs-region", "awslogs-stream-prefix"} {
			if l.Options[option] == "" {
				return api.ClientException("Log driver awslogs requires options: awslogs-group, awslogs-region, awslogs-stream-prefix. Container '%s' lacks %s.", *c.Name, option)
			}
		}
	}
	return nil
}

var ecrPattern = regexp.MustCompile(`^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/`)

func isECR(image string) bool { return ecrPattern.MatchString(image) }
