package codebuild

import (
	"context"
	"strings"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// computeTypes are those of AWS; sizes are limits here, never a reason to refuse.
var computeTypes = []string{
	"BUILD_GENERAL1_SMALL", "BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE", "BUILD_GENERAL1_XLARGE", "BUILD_GENERAL1_2XLARGE",
	"BUILD_LAMBDA_1GB", "BUILD_LAMBDA_2GB", "BUILD_LAMBDA_4GB", "BUILD_LAMBDA_8GB", "BUILD_LAMBDA_10GB",
	"ATTRIBUTE_BASED_COMPUTE", "CUSTOM_INSTANCE_TYPE",
}

const gib = 1 << 30

// size is what a compute type gives on AWS.
func size(computeType string) (cores float64, memory int64) {
	switch computeType {
	case "BUILD_GENERAL1_SMALL":
		return 2, 4 * gib
	case "BUILD_GENERAL1_MEDIUM":
		return 4, 8 * gib
	case "BUILD_GENERAL1_LARGE":
		return 8, 16 * gib
	case "BUILD_GENERAL1_XLARGE":
		return 36, 72 * gib
	case "BUILD_GENERAL1_2XLARGE":
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

// curated are the maintained images that AWS lists.
var curated = []struct{ platform, name, description string }{
	{"AMAZON_LINUX_2023", "aws/codebuild/amazonlinux-x86_64-standard:5.0", "AWS CodeBuild - Docker image for x86_64"},
	{"AMAZON_LINUX_2023", "aws/codebuild/amazonlinux-x86_64-standard:6.0", "AWS CodeBuild - Docker image for x86_64"},
	{"AMAZON_LINUX_2023", "aws/codebuild/amazonlinux-aarch64-standard:3.0", "AWS CodeBuild - Docker image for AArch64"},
	{"AMAZON_LINUX_2023", "aws/codebuild/amazonlinux-aarch64-standard:4.0", "AWS CodeBuild - Docker image for AArch64"},
	{"UBUNTU", "aws/codebuild/standard:7.0", "AWS CodeBuild - Docker image for x86_64"},
	{"UBUNTU", "aws/codebuild/standard:8.0", "AWS CodeBuild - Docker image for x86_64"},
}

func (s *Service) listCuratedEnvironmentImages(context.Context, store.Reader, op.Caller, *api.ListCuratedEnvironmentImagesInput) (*api.ListCuratedEnvironmentImagesOutput, error) {
	out := &api.ListCuratedEnvironmentImagesOutput{Platforms: []api.EnvironmentPlatform{}}
	for _, c := range curated {
		n := len(out.Platforms)
		if n == 0 || *out.Platforms[n-1].Platform != c.platform {
			out.Platforms = append(out.Platforms, api.EnvironmentPlatform{
				Platform: new(c.platform), Languages: []api.EnvironmentLanguage{{Language: new("STANDARD")}},
			})
			n++
		}
		l := &out.Platforms[n-1].Languages[0]
		l.Images = append(l.Images, api.EnvironmentImage{Name: new(c.name), Description: new(c.description), Versions: []string{c.name}})
	}
	return out, nil
}

// IsCurated tells whether an image is one of CodeBuild's own, whose name no
// registry knows.
func IsCurated(image string) bool { return strings.HasPrefix(image, "aws/codebuild/") }
