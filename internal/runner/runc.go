package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/penstock-ci/penstock/internal/truststore"
)

// Where a nested container sees the certificates, as PEM and as Java's key store. /dev
// is always a file system of the container's own, so a mount below it leaves nothing
// in the image.
const (
	insideBundle = "/dev/penstock/ca.pem"
	insideJava   = "/dev/penstock/cacerts"
)

// bundleFolder keeps the merged bundles, named by content.
const bundleFolder = "/run/penstock/bundles"

// forgetWord is how runc calls this program when a container has ended.
const forgetWord = "forget-trust"

// ownRoots make programs that bring roots of their own trust ours, systemRoots those
// that look for the system's at another place than the image's.
var (
	ownRoots    = []string{"AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}
	systemRoots = []string{"SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "PIP_CERT"}
)

// proxyVariables are handed to nested containers where the build has them.
var proxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}

// wrapRuntime is runc as the nested daemon sees it: it edits the container's
// configuration and becomes the real one.
func wrapRuntime(args []string) error {
	real, err := realRuntime()
	if err != nil {
		return err
	}
	if err := prepareContainer(args[1:]); err != nil {
		return fmt.Errorf("add Penstock's certificates to the container: %w", err)
	}
	return fmt.Errorf("start %s: %w", real, syscall.Exec(real, append([]string{real}, args[1:]...), os.Environ()))
}

// realRuntime is the next runc on the PATH, or at its usual places.
func realRuntime() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program's own file: %w", err)
	}
	own, err := os.Stat(self)
	if err != nil {
		return "", fmt.Errorf("find the program's own file: %w", err)
	}
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin")
	for _, dir := range dirs {
		p := filepath.Join(dir, "runc")
		fi, err := os.Stat(p)
		if err == nil && !fi.IsDir() && fi.Mode()&0o111 != 0 && !os.SameFile(fi, own) {
			return p, nil
		}
	}
	return "", errors.New("the build image has no runc beside Penstock's wrapper")
}

// prepareContainer edits what the command is about: the bundle of a new container,
// or the process that is to run in one.
func prepareContainer(args []string) error {
	switch verb, bundle, process := asked(args); {
	case verb == "exec" && process != "":
		return edit(process, func(p map[string]any) error { addVariables(p, insideBundle); return nil })
	case verb == "create" || verb == "run":
		if bundle == "" {
			bundle = "."
		}
		return edit(filepath.Join(bundle, "config.json"), func(c map[string]any) error { return addTrust(c, bundle) })
	}
	return nil
}

// asked reads runc's arguments: the command and the files it is about.
func asked(args []string) (verb, bundle, process string) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		name, value, inline := strings.Cut(strings.TrimLeft(a, "-"), "=")
		switch {
		case !strings.HasPrefix(a, "-"):
			if verb == "" && slices.Contains([]string{"create", "run", "exec"}, a) {
				verb = a
			}
		case name == "bundle" || name == "b" || name == "process" || name == "p":
			if !inline && i+1 < len(args) {
				i++
				value = args[i]
			}
			if name[0] == 'b' {
				bundle = value
			} else {
				process = value
			}
		}
	}
	return verb, bundle, process
}

// edit changes a JSON file; numbers keep their text.
func edit(file string, change func(map[string]any) error) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := change(v); err != nil {
		return err
	}
	if b, err = json.Marshal(v); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, b, 0o644)
}

// addTrust makes the container trust Penstock's certificates: in the image's own
// bundles, where a layer can be put in, and in files that variables name.
func addTrust(config map[string]any, bundle string) error {
	certificates, err := os.ReadFile(filepath.Join(defaultRoot, trustFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	root, _ := config["root"].(map[string]any)
	rootfs, _ := root["path"].(string)
	if !filepath.IsAbs(rootfs) {
		rootfs = filepath.Join(bundle, rootfs)
	}
	file, err := mergedBundle(rootfs, certificates)
	if err != nil {
		return err
	}
	mounts, _ := config["mounts"].([]any)
	for destination, source := range map[string]string{insideBundle: file, insideJava: file + javaSuffix} {
		mounts = append(mounts, map[string]any{
			"destination": destination, "type": "bind", "source": source, "options": []string{"rbind", "ro"},
		})
	}
	config["mounts"] = mounts
	system, err := addLayer(config, rootfs, certificates)
	if err != nil {
		return err
	}
	if system == "" {
		system = insideBundle
	}
	if p, ok := config["process"].(map[string]any); ok {
		addVariables(p, system)
	}
	return nil
}

// addLayer puts a layer with the bundles between the image and the container's
// changes; it returns the path of the system's bundle, "" where there is no layer.
func addLayer(config map[string]any, rootfs string, certificates []byte) (string, error) {
	rootfs, err := filepath.EvalSymlinks(rootfs)
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	o, ok := overlayAt(string(mounts), rootfs)
	if !ok || o.upper() == "" {
		return "", nil
	}
	l := layerBeside(o.upper())
	if !o.has(l.files()) { // a restart finds it
		data, ok := o.with(l.files(), l.work())
		if !ok {
			return "", nil
		}
		if err := l.fill(rootfs, certificates); err != nil {
			return "", err
		}
		if l.system() == "" {
			return "", nil
		}
		if err := o.mount(data); err != nil {
			return "", err
		}
	}
	return l.system(), addHook(config, l)
}

// addHook has runc call this program once the container has ended, before the daemon
// takes its changes as a layer of an image.
func addHook(config map[string]any, l layer) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program's own file: %w", err)
	}
	hooks, _ := config["hooks"].(map[string]any)
	if hooks == nil {
		hooks = map[string]any{}
	}
	after, _ := hooks["poststop"].([]any)
	hooks["poststop"] = append(after, map[string]any{"path": self, "args": []string{filepath.Base(self), forgetWord, l.upper}})
	config["hooks"] = hooks
	return nil
}

// addVariables sets what the container itself leaves unset. system is the bundle of
// the image, so that what a command adds to it counts as well.
func addVariables(process map[string]any, system string) {
	env, _ := process["env"].([]any)
	has := map[string]bool{}
	for _, e := range env {
		text, _ := e.(string)
		name, _, _ := strings.Cut(text, "=")
		has[name] = true
	}
	set := func(names []string, value string) {
		for _, name := range names {
			if !has[name] {
				env = append(env, name+"="+value)
			}
		}
	}
	set(ownRoots, insideBundle)
	set(systemRoots, system)
	for _, name := range proxyVariables {
		if v := os.Getenv(name); v != "" && !has[name] {
			env = append(env, name+"="+v)
		}
	}
	process["env"] = env
}

// javaSuffix tells a bundle's key store from it.
const javaSuffix = ".jks"

// mergedBundle is the image's own bundle (the build's, where it has none) and
// Penstock's certificates, in a file; the key store lies beside it.
func mergedBundle(rootfs string, certificates []byte) (string, error) {
	merged := firstBundle(rootfs)
	if merged == nil {
		merged = firstBundle("/")
	}
	merged = truststore.Add(merged, certificates)
	sum := sha256.Sum256(merged)
	file := filepath.Join(bundleFolder, hex.EncodeToString(sum[:8])+".pem")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(bundleFolder, 0o755); err != nil {
		return "", err
	}
	if err := writeWhole(file+javaSuffix, truststore.Java(merged)); err != nil {
		return "", err
	}
	return file, writeWhole(file, merged)
}

// writeWhole makes a file appear with all its content: several containers start at once.
func writeWhole(file string, body []byte) error {
	tmp := file + "." + fmt.Sprint(os.Getpid())
	if err := os.WriteFile(tmp, body, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

// firstBundle reads the system's bundle below rootfs. Links inside are followed
// within it only.
func firstBundle(rootfs string) []byte {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return nil
	}
	defer root.Close()
	for _, name := range truststore.Bundles {
		if b, err := root.ReadFile(name); err == nil {
			return b
		}
	}
	return nil
}
