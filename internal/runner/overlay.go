package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// overlay is a container's root file system before its first process: layers of the
// image below a folder that takes what the container changes. A layer put between
// them is seen by the container, and becomes part of no image.
type overlay struct {
	path    string
	options []string // the kernel's, as a mount takes them
}

// overlayAt finds the overlay mounted at path in the text of /proc/self/mountinfo;
// false where something else is.
func overlayAt(mountinfo, path string) (overlay, bool) {
	o, found := overlay{path: path}, false
	for line := range strings.Lines(mountinfo) {
		own, super, ok := strings.Cut(line, " - ")
		mount, kind := strings.Fields(own), strings.Fields(super)
		if !ok || len(mount) < 5 || len(kind) < 3 || unescape(mount[4]) != path {
			continue
		}
		found = kind[0] == "overlay" && mount[3] == "/" // the last one is on top
		o.options = nil
		for _, option := range strings.Split(kind[2], ",") {
			o.options = append(o.options, unescape(option))
		}
	}
	return o, found
}

// unescape reads the kernel's \040 for what would end a word.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\054`, ",").Replace(s)
}

// upper is the folder of the container's changes; "" if it may change nothing.
func (o overlay) upper() string {
	for _, option := range o.options {
		if dir, ok := strings.CutPrefix(option, "upperdir="); ok {
			return dir
		}
	}
	return ""
}

// has says whether the layer is the topmost already.
func (o overlay) has(layer string) bool {
	for _, option := range o.options {
		name, value, _ := strings.Cut(option, "=")
		if name == "lowerdir" || name == "lowerdir+" {
			top, _, _ := strings.Cut(value, ":")
			return top == layer
		}
	}
	return false
}

// generic are options of every file system: a mount takes them as flags.
var generic = map[string]bool{"rw": true, "sync": true, "dirsync": true, "mand": true, "lazytime": true}

// with is the mount's data with one more layer right below the container's changes,
// and a folder of its own for the kernel's work. False where it cannot be said: more
// layers than fit in a page (the daemon then names them relative to a folder of its
// own), an option with a comma, an index that admits one mount only, changes that
// lean on the layer below for their bytes.
func (o overlay) with(layer, work string) (string, bool) {
	lower := []string{layer}
	var rest []string
	for _, option := range o.options {
		name, value, _ := strings.Cut(option, "=")
		switch {
		case name == "lowerdir" || name == "lowerdir+":
			lower = append(lower, value)
		case name == "workdir" || generic[name]:
		case option == "index=on" || option == "metacopy=on" || name == "datadir+" || strings.Contains(option, ","):
			return "", false
		default:
			rest = append(rest, option)
		}
	}
	data := strings.Join(append(rest, "lowerdir="+strings.Join(lower, ":"), "workdir="+work), ",")
	return data, filepath.IsAbs(o.upper()) && len(data) < os.Getpagesize()
}

// mount puts the overlay of data in this one's place: two at once that write into
// one folder would not see each other's changes.
func (o overlay) mount(data string) error {
	if err := syscall.Unmount(o.path, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", o.path, err)
	}
	err := syscall.Mount("overlay", o.path, "overlay", 0, data)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("mount %s with one more layer: %w", o.path, err)
	var old []string
	for _, option := range o.options {
		if !generic[option] {
			old = append(old, option)
		}
	}
	return errors.Join(err, syscall.Mount("overlay", o.path, "overlay", 0, strings.Join(old, ",")))
}
