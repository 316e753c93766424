package ecs

import (
	"context"
	"slices"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// wish is the part of CreateService, UpdateService and RunTask that says what to start.
type wish struct {
	definition    string
	launchType    *string
	strategy      []api.CapacityProviderStrategyItem
	platform      *string
	network       *api.NetworkConfiguration
	loadBalancers []api.LoadBalancer
}

// revise checks a wish and makes the revision that a deployment or a task starts.
func (c *Control) revise(ctx context.Context, r store.Reader, s store.Scope, k Cluster, w wish) (Revision, Definition, error) {
	d, err := c.usable(ctx, r, s, w.definition)
	if err != nil {
		return Revision{}, d, err
	}
	if op.Val(w.launchType) != "" && len(w.strategy) > 0 {
		return Revision{}, d, api.InvalidParameterException("Specify either Launch Type or Capacity Provider Strategy, but not both.")
	}
	rev := Revision{TaskDefinition: d.arn(), LaunchType: op.Val(w.launchType), Strategy: strategyIn(w.strategy), Platform: op.Or(w.platform, "LATEST")}
	if rev.LaunchType == "" && len(rev.Strategy) == 0 {
		if rev.Strategy = k.Strategy; len(rev.Strategy) == 0 {
			rev.LaunchType = "EC2"
		}
	}
	if err := runnable(&d, &rev); err != nil {
		return rev, d, err
	}
	if err := rev.takeNetwork(w.network); err != nil {
		return rev, d, err
	}
	for _, b := range w.loadBalancers {
		if err := rev.addLoadBalancer(&d, b); err != nil {
			return rev, d, err
		}
	}
	if len(rev.LoadBalancers) > 5 {
		return rev, d, api.InvalidParameterException("load balancers can have at most 5 items.")
	}
	return rev, d, nil
}

// runnable refuses what this pool cannot run, rather than to run it in another way.
func runnable(d *Definition, rev *Revision) error {
	for _, item := range rev.Strategy {
		if item.Provider != "FARGATE" && item.Provider != "FARGATE_SPOT" {
			return api.InvalidParameterException("The specified capacity provider '%s' was not found. Specify a valid name or ARN and try again.", item.Provider)
		}
	}
	switch rev.LaunchType {
	case "", "FARGATE", "EXTERNAL":
	case "EC2":
		return api.InvalidParameterException("No Container Instances were found in your cluster.")
	default:
		return api.InvalidParameterException("Launch type %s is not supported: use FARGATE.", rev.LaunchType)
	}
	if mode := *d.API.NetworkMode; mode != "awsvpc" {
		if rev.LaunchType != "EXTERNAL" {
			return api.InvalidParameterException("Task definition does not support launch_type FARGATE.")
		}
		return api.ClientException("Network mode %s is not supported here: register the task definition with networkMode awsvpc.", mode)
	}
	if rev.LaunchType != "EXTERNAL" && !slices.Contains(d.API.Compatibilities, "FARGATE") {
		return api.InvalidParameterException("Task definition does not support launch_type FARGATE.")
	}
	if p := d.API.RuntimePlatform; p != nil && op.Or(p.CpuArchitecture, "X86_64") != architecture {
		return api.ClientException("CPU architecture %s is not available on this host, which has %s.", *p.CpuArchitecture, architecture)
	}
	if feature := unsupported(d); feature != "" {
		return api.ClientException("Task definition %s uses %s, which is not supported here. Remove it and register a new revision.", d.revision(), feature)
	}
	return nil
}

// unsupported names the first thing in a definition that would not be done.
func unsupported(d *Definition) string {
	for _, v := range d.API.Volumes {
		if v.EfsVolumeConfiguration != nil || v.DockerVolumeConfiguration != nil || v.FsxWindowsFileServerVolumeConfiguration != nil ||
			v.S3filesVolumeConfiguration != nil || op.Val(v.ConfiguredAtLaunch) || v.Host != nil && op.Val(v.Host.SourcePath) != "" {
			return "volume " + op.Val(v.Name) + " that is not a plain task volume"
		}
	}
	switch {
	case d.API.ProxyConfiguration != nil:
		return "proxyConfiguration"
	case op.Val(d.API.PidMode) != "":
		return "pidMode"
	case op.Val(d.API.IpcMode) != "":
		return "ipcMode"
	}
	for _, c := range d.API.ContainerDefinitions {
		for name, used := range map[string]bool{
			"environmentFiles": len(c.EnvironmentFiles) > 0, "repositoryCredentials": c.RepositoryCredentials != nil,
			"firelensConfiguration": c.FirelensConfiguration != nil, "resourceRequirements": len(c.ResourceRequirements) > 0,
			"restartPolicy": c.RestartPolicy != nil && op.Val(c.RestartPolicy.Enabled), "systemControls": len(c.SystemControls) > 0,
			"dockerSecurityOptions": len(c.DockerSecurityOptions) > 0, "volumesFrom": len(c.VolumesFrom) > 0,
			"startTimeout": c.StartTimeout != nil, "pseudoTerminal": op.Val(c.PseudoTerminal), "interactive": op.Val(c.Interactive),
			"disableNetworking": op.Val(c.DisableNetworking), "credentialSpecs": len(c.CredentialSpecs) > 0, "a multi-line log pattern": hasMultiline(c.LogConfiguration),
			"linuxParameters other than initProcessEnabled": hasLinux(c.LinuxParameters),
		} {
			if used {
				return name + " of container " + *c.Name
			}
		}
		if l := c.LogConfiguration; l != nil && op.Val(l.LogDriver) != "awslogs" && op.Val(l.LogDriver) != "json-file" {
			return "log driver " + op.Val(l.LogDriver) + " of container " + *c.Name
		}
	}
	return ""
}

func hasMultiline(l *api.LogConfiguration) bool {
	return l != nil && (l.Options["awslogs-datetime-format"] != "" || l.Options["awslogs-multiline-pattern"] != "")
}

func hasLinux(l *api.LinuxParameters) bool {
	if l == nil {
		return false
	}
	hasCapabilities := l.Capabilities != nil && (len(l.Capabilities.Add) > 0 || len(l.Capabilities.Drop) > 0)
	return hasCapabilities || len(l.Devices) > 0 || len(l.Tmpfs) > 0 || op.Val(l.SharedMemorySize) > 0 || op.Val(l.MaxSwap) > 0
}

func (rev *Revision) takeNetwork(n *api.NetworkConfiguration) error {
	if n == nil || n.AwsvpcConfiguration == nil {
		return api.InvalidParameterException("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	v := n.AwsvpcConfiguration
	switch {
	case len(v.Subnets) == 0:
		return api.InvalidParameterException("subnets can not be empty.")
	case len(v.Subnets) > 16:
		return api.InvalidParameterException("subnets can have at most 16 items.")
	case len(v.SecurityGroups) > 5:
		return api.InvalidParameterException("securityGroups can have at most 5 items.")
	}
	rev.Network = Network{Subnets: v.Subnets, Groups: v.SecurityGroups, PublicIP: op.Or(v.AssignPublicIp, "DISABLED")}
	return nil
}

func (rev *Revision) addLoadBalancer(d *Definition, b api.LoadBalancer) error {
	container, port := op.Val(b.ContainerName), op.Val(b.ContainerPort)
	switch {
	case op.Val(b.LoadBalancerName) != "":
		return api.InvalidParameterException("Classic Load Balancers are not supported: give the targetGroupArn of a target group.")
	case b.AdvancedConfiguration != nil:
		return api.UnsupportedFeatureException("advancedConfiguration (blue/green deployments) is not supported.")
	case op.Val(b.TargetGroupArn) == "":
		return api.InvalidParameterException("Either a load balancer name or a target group ARN must be specified.")
	}
	for _, c := range d.API.ContainerDefinitions {
		if *c.Name != container {
			continue
		}
		for _, p := range c.PortMappings {
			if op.Val(p.ContainerPort) == port {
				rev.LoadBalancers = append(rev.LoadBalancers, LoadBalancer{*b.TargetGroupArn, container, port})
				return nil
			}
		}
		return api.InvalidParameterException("The container %s did not have a container port %d defined.", container, port)
	}
	return api.InvalidParameterException("The container %s does not exist in the task definition.", container)
}

func strategyIn(items []api.CapacityProviderStrategyItem) []StrategyItem {
	var out []StrategyItem
	for _, i := range items {
		out = append(out, StrategyItem{nameOf(op.Val(i.CapacityProvider)), op.Or(i.Weight, 0), op.Or(i.Base, 0)})
	}
	return out
}

// provider is the capacity provider that the n-th task of a strategy gets: base
// first, then by weight.
func provider(strategy []StrategyItem, n int) string {
	var weights int
	for _, i := range strategy {
		if n < int(i.Base) {
			return i.Provider
		}
		n -= int(i.Base)
		weights += int(i.Weight)
	}
	if weights > 0 {
		n %= weights
		for _, i := range strategy {
			if n -= int(i.Weight); n < 0 {
				return i.Provider
			}
		}
	}
	if len(strategy) > 0 {
		return strategy[0].Provider
	}
	return ""
}
