package codebuild

import (
	"regexp"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
)

// computeTypes are those of AWS; sizes are limits here, never a reason to refuse. The
// two that only a fleet has (ATTRIBUTE_BASED_COMPUTE, CUSTOM_INSTANCE_TYPE) are not
// among them.
var computeTypes = []string{
	"BUILD_GENERAL1_SMALL", "BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE", "BUILD_GENERAL1_XLARGE", "BUILD_GENERAL1_2XLARGE",
	"BUILD_LAMBDA_1GB", "BUILD_LAMBDA_2GB", "BUILD_LAMBDA_4GB", "BUILD_LAMBDA_8GB", "BUILD_LAMBDA_10GB",
}

func checkEnvironment(e api.ProjectEnvironment, account string) error {
	t, compute := op.Val(e.Type), op.Val(e.ComputeType)
	if op.Val(e.Image) == "" {
		return api.InvalidInputException("Invalid environment image")
	}
	if !slices.Contains(computeTypes, compute) || isLambda(t) != strings.HasPrefix(compute, "BUILD_LAMBDA_") {
		return api.InvalidInputException("Invalid compute type provided: %s", compute)
	}
	if e.Fleet != nil && op.Val(e.Fleet.FleetArn) != "" {
		return api.InvalidInputException("Invalid environment: fleets are not supported")
	}
	if e.RegistryCredential != nil {
		return api.InvalidInputException("Invalid environment: registryCredential is not supported; images come from ECR, the mirror or the host's Engine")
	}
	if e.DockerServer != nil {
		return api.InvalidInputException("Invalid environment: dockerServer is not supported; use privilegedMode")
	}
	if err := checkImage(e, account); err != nil {
		return err
	}
	return checkVariables(e.EnvironmentVariables)
}

// registryImage is an image of an account's registry.
var registryImage = regexp.MustCompile(`^([0-9]{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/`)

// checkImage refuses what cannot be pulled with the credentials that are asked for,
// and names that CodeBuild has no image for.
func checkImage(e api.ProjectEnvironment, account string) error {
	image, own := op.Val(e.Image), op.Or(e.ImagePullCredentialsType, api.ImagePullCredentialsTypeCodebuild) == api.ImagePullCredentialsTypeCodebuild
	if m := registryImage.FindStringSubmatch(image); m != nil && m[1] != account && own {
		return api.InvalidInputException("Invalid input: cannot use a cross-account ECR image with imagePullCredentialsType CODEBUILD")
	}
	if !isCurated(image) {
		return nil
	}
	if !own {
		return api.InvalidInputException("Invalid input: cannot use a CodeBuild curated image with imagePullCredentialsType SERVICE_ROLE")
	}
	if !isCuratedFor(image, op.Val(e.Type)) {
		return api.InvalidInputException("AWS CodeBuild curated image %s is not supported for projects with environment type %s and compute type %s", image, op.Val(e.Type), op.Val(e.ComputeType))
	}
	return nil
}

func isLambda(environmentType string) bool {
	return environmentType == api.EnvironmentTypeLinuxLambdaContainer || environmentType == api.EnvironmentTypeArmLambdaContainer
}

const gib = 1 << 30

// size is what a compute type gives on AWS, in an environment of a type.
func size(computeType, environmentType string) (cores float64, memory int64) {
	arm := environmentType == api.EnvironmentTypeArmContainer || environmentType == api.EnvironmentTypeArmEc2
	gpu := environmentType == api.EnvironmentTypeLinuxGpuContainer
	switch {
	case gpu && computeType == "BUILD_GENERAL1_SMALL":
		return 4, 16 * gib
	case gpu && computeType == "BUILD_GENERAL1_LARGE":
		return 32, 255 * gib
	case computeType == "BUILD_GENERAL1_SMALL":
		return 2, 4 * gib
	case computeType == "BUILD_GENERAL1_MEDIUM":
		return 4, 8 * gib
	case computeType == "BUILD_GENERAL1_LARGE":
		return 8, 16 * gib
	case arm && computeType == "BUILD_GENERAL1_XLARGE":
		return 32, 64 * gib
	case computeType == "BUILD_GENERAL1_XLARGE":
		return 36, 72 * gib
	case arm && computeType == "BUILD_GENERAL1_2XLARGE":
		return 48, 96 * gib
	case computeType == "BUILD_GENERAL1_2XLARGE":
		return 72, 144 * gib
	}
	return 0, 0
}

// canRun tells whether an environment type is a Linux container.
func canRun(environmentType string) bool {
	switch environmentType {
	case "LINUX_CONTAINER", "ARM_CONTAINER", "LINUX_EC2", "ARM_EC2", "LINUX_GPU_CONTAINER":
		return true
	}
	return false
}
