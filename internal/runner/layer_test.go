package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-ci/penstock/internal/truststore"
)

// root is a container's root file system as a daemon mounts it.
type root struct {
	t                    *testing.T
	image, changes, path string
}

func newRoot(t *testing.T) root {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED LOUDLY: mounts an overlay and needs root: run `sudo make test`")
	}
	dir := t.TempDir()
	r := root{t: t, image: filepath.Join(dir, "image"), changes: filepath.Join(dir, "container", "diff"), path: filepath.Join(dir, "merged")}
	put(t, filepath.Join(r.image, "etc/ssl/certs/ca-certificates.crt"), "THEIRS\n")
	put(t, filepath.Join(r.image, "etc/passwd"), "root\n")
	if err := os.Symlink("certs/ca-certificates.crt", filepath.Join(r.image, "etc/ssl/cert.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(r.image, "etc/ssl"), 0o711); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(dir, "container", "work")
	for _, d := range []string{r.changes, r.path, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mount("overlay", r.path, "overlay", 0, "lowerdir="+r.image+",upperdir="+r.changes+",workdir="+work); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(r.path, 0); err != nil {
			t.Error(err)
		}
	})
	return r
}

// start is what runc's create does to the container.
func (r root) start() string {
	r.t.Helper()
	system, err := addLayer(map[string]any{}, r.path, []byte(certificate))
	if err != nil {
		r.t.Fatal(err)
	}
	return system
}

// do runs a command of the container.
func (r root) do(command string) string {
	r.t.Helper()
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir = r.path
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

// layer lists what would be in the image, after the container's end.
func (r root) layer() string {
	r.t.Helper()
	if err := layerBeside(r.changes).forget(); err != nil {
		r.t.Fatal(err)
	}
	out, err := exec.Command("sh", "-ec", "cd "+r.changes+" && find . -mindepth 1 ! -type d -printf '%P %m %y\n' | sort").CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestContainerSeesTheCertificatesAndItsImageDoesNot(t *testing.T) {
	t.Parallel()
	const bundle = "etc/ssl/certs/ca-certificates.crt"
	for name, c := range map[string]struct {
		command string
		layer   string // what the image's new layer has
		body    string // of the bundle, if it is in the layer
	}{
		"nothing is written":            {"true", "", ""},
		"a neighbour is written":        {"echo x > etc/ssl/certs/x", "etc/ssl/certs/x 644 f\n", ""},
		"a certificate is appended":     {"echo MINE >> " + bundle, bundle + " 644 f\n", "THEIRS\nMINE\n"},
		"the bundle is made anew":       {"echo NEW > etc/tmp && mv etc/tmp " + bundle, bundle + " 644 f\n", "NEW\n"},
		"the modes are changed":         {"chmod -R g-r etc/ssl/certs", bundle + " 604 f\n", "THEIRS\n"},
		"the folder is removed":         {"rm -r etc/ssl/certs", "etc/ssl/certs 0 c\n", ""},
		"the files are removed":         {"rm etc/ssl/certs/*", bundle + " 0 c\n", ""},
		"a link is put in the bundle's": {"rm -r etc/ssl/certs && ln -s /nowhere etc/ssl/certs", "etc/ssl/certs 777 l\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t)
			if system := r.start(); system != "/"+bundle {
				t.Fatalf("the system's bundle is said to be %q", system)
			}
			if got := r.do("cat " + bundle); string(truststore.Remove([]byte(got+"\n"))) != "THEIRS\n" || !strings.Contains(got, certificate) {
				t.Errorf("the container sees\n%s", got)
			}
			if got := r.do("cat etc/ssl/certs/54f4fd10.0; stat -c %a etc/ssl; cat etc/passwd etc/ssl/cert.pem"); strings.Count(got, certificate) != 2 || !strings.Contains(got, "\n711\nroot\nTHEIRS\n") {
				t.Errorf("the container sees\n%s", got)
			}
			r.do(c.command)
			if got := r.layer(); got != c.layer {
				t.Errorf("the image's layer has\n%sand not\n%s", got, c.layer)
			}
			if body, err := os.ReadFile(filepath.Join(r.changes, bundle)); c.body != "" && string(body) != c.body {
				t.Errorf("%v; the image's bundle is\n%s", err, body)
			}
		})
	}
}

func TestContainerIsStartedAgain(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	r.start()
	r.do("echo kept > etc/kept")
	r.layer()
	if system := r.start(); system == "" {
		t.Error("no layer at the second start")
	}
	if got := r.do("cat etc/kept etc/ssl/certs/ca-certificates.crt"); !strings.HasPrefix(got, "kept\nTHEIRS\n") || strings.Count(got, certificate) != 1 {
		t.Errorf("the container sees\n%s", got)
	}
}

func TestImageWithoutABundleGetsNoLayer(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	r.do("rm -r etc/ssl")
	if system := r.start(); system != "" {
		t.Errorf("a layer with %s", system)
	}
	if got := r.layer(); got != "etc/ssl 0 c\n" {
		t.Errorf("the image's layer has\n%s", got)
	}
}

func TestOverlayIsReadAndSaidAnew(t *testing.T) {
	t.Parallel()
	const before = "30 23 0:26 / /other rw - overlay overlay rw,lowerdir=/x\n31 23 0:27 / /a\\040b rw,relatime shared:1 - overlay overlay rw,lowerdir=/l/2:/l/1,upperdir=/c/diff,workdir=/c/work,xino=off"
	for name, c := range map[string]struct {
		mounts, want string // "" is none
	}{
		"the daemon's":        {before + "\n", "xino=off,upperdir=/c/diff"},
		"another one below":   {before + "\n" + strings.ReplaceAll(before, "/c/", "/d/") + "\n", "upperdir=/d/diff"},
		"covered":             {before + "\n32 31 0:28 / /a\\040b rw - tmpfs tmpfs rw\n", ""},
		"a folder of one":     {strings.Replace(before, "0:27 /", "0:27 /sub", 1), ""},
		"relative layers":     {strings.ReplaceAll(before, "=/", "="), ""},
		"one mount only":      {before + ",index=on\n", ""},
		"bytes lie below":     {before + ",metacopy=on\n", ""},
		"more than one page":  {strings.Replace(before, "/l/1", strings.Repeat("/l/1:", 1000)+"/l/1", 1), ""},
		"the kernel's newest": {strings.Replace(before, "lowerdir=/l/2:/l/1", "lowerdir+=/l/2,lowerdir+=/l/1", 1), "upperdir=/c/diff"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, ok := overlayAt(c.mounts, "/a b")
			data := ""
			if ok {
				if data, ok = o.with("/ours", "/work"); !ok {
					data = ""
				}
			}
			if (data != "") != (c.want != "") || ok && !strings.Contains(data, "lowerdir=/ours:/l/2:/l/1,workdir=/work") {
				t.Errorf("mount with %q", data)
			}
			for _, option := range strings.Split(c.want, ",") {
				if !strings.Contains(data, option) {
					t.Errorf("mount with %q, which lacks %s", data, option)
				}
			}
			if o.has("/ours") {
				t.Error("it is said to have the layer already")
			}
		})
	}
}
