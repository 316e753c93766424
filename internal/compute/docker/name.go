package docker

import (
	"fmt"
	"regexp"
	"strings"
)

// Labels of every object that this package makes.
const (
	LabelInstallation = "io.penstock.installation"
	LabelPod          = "io.penstock.pod"
	LabelOwner        = "io.penstock.owner"
	labelContainer    = "io.penstock.container"
	labelRole         = "io.penstock.role" // pause, app or scratch
)

const (
	rolePause   = "pause"
	roleApp     = "app"
	roleScratch = "scratch"
)

// part is a pod's or container's name: no dot, for the dot parts them in the
// Engine's name, and nothing that means something in a path.
var part = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$`)

func checkName(what, name string) error {
	if !part.MatchString(name) {
		return fmt.Errorf("docker: %s name %q: 1-128 letters, digits, - and _ are expected", what, name)
	}
	return nil
}

// The Engine's name of a container is penstock-<installation>-<pod>.<container>;
// that of a pause container ends in "..pause", which no container can be called.
// A pause container kept ready is penstock-<installation>-.<random>.ready: labels
// can not be changed later, names can.
func (b *Backend) prefix() string { return "penstock-" + b.cfg.Installation + "-" }

func (b *Backend) containerName(pod, container string) string {
	return b.prefix() + pod + "." + container
}

func (b *Backend) pauseName(pod string) string { return b.prefix() + pod + "..pause" }

func (b *Backend) readyName(random string) string { return b.prefix() + "." + random + ".ready" }

// podOf finds the pod in the Engine's name of a container; false for ready ones
// and what is not ours.
func (b *Backend) podOf(name string) (string, bool) {
	rest, ours := strings.CutPrefix(strings.TrimPrefix(name, "/"), b.prefix())
	if !ours {
		return "", false
	}
	pod, _, found := strings.Cut(rest, ".")
	return pod, found && pod != ""
}

func isPause(name string) bool { return strings.HasSuffix(name, "..pause") }
