package codebuild

import (
	"context"
	"regexp"
	"strings"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// isCurated tells whether an image is called like one of CodeBuild's own: no registry
// knows such a name.
func isCurated(image string) bool { return strings.HasPrefix(image, "aws/codebuild/") }

// The names that CodeBuild's own images have or had, by the environment that runs
// them; each may name a release ("-24.11.08"). Retired images of a single language
// (aws/codebuild/nodejs:…) are not among them, nor are those of Lambda: neither is here.
var (
	linuxNames   = regexp.MustCompile(`^aws/codebuild/(standard:[1-8]\.0|amazonlinux2?-x86_64-standard:([1-6]\.0|corretto8|corretto11)|docker:1[78]\.09\.[01]|ubuntu-base:14\.04)(-[0-9.]+)?$`)
	armNames     = regexp.MustCompile(`^aws/codebuild/amazonlinux2?-aarch64-standard:[1-4]\.0(-[0-9.]+)?$`)
	windowsNames = regexp.MustCompile(`^aws/codebuild/windows-base:(1\.0|2\.0|2019-[1-3]\.0|2022-1\.0)(-[0-9.]+)?$`)
	macNames     = regexp.MustCompile(`^aws/codebuild/macos-arm-base:(14|15)(-[0-9.]+)?$`)
)

// isCuratedFor tells whether CodeBuild has the image for a type of environment.
func isCuratedFor(image, environmentType string) bool {
	switch environmentType {
	case api.EnvironmentTypeLinuxContainer, api.EnvironmentTypeLinuxGpuContainer, api.EnvironmentTypeLinuxEc2:
		return linuxNames.MatchString(image)
	case api.EnvironmentTypeArmContainer, api.EnvironmentTypeArmEc2:
		return armNames.MatchString(image)
	case api.EnvironmentTypeMacArm:
		return macNames.MatchString(image)
	case api.EnvironmentTypeLinuxLambdaContainer, api.EnvironmentTypeArmLambdaContainer:
		return false
	}
	return windowsNames.MatchString(image)
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
