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
)

// insideBundle is where a nested container sees the certificates. /dev is always a
// file system of the container's own, so a mount below it leaves nothing in the image.
const insideBundle = "/dev/penstock/ca.pem"

// bundleFolder keeps the merged bundles, named by content.
const bundleFolder = "/run/penstock/bundles"

// trustVariables make programs use a bundle without touching the image's files: a
// file that is mounted over could not be replaced by the image's own tools
// (update-ca-certificates renames over it).
var trustVariables = []string{"SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT"}

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
		return edit(process, addVariables)
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

// addTrust mounts the container's own bundle with ours added, and names it in the
// first process's environment.
func addTrust(config map[string]any, bundle string) error {
	root, _ := config["root"].(map[string]any)
	rootfs, _ := root["path"].(string)
	if !filepath.IsAbs(rootfs) {
		rootfs = filepath.Join(bundle, rootfs)
	}
	file, err := mergedBundle(rootfs)
	if err != nil || file == "" {
		return err
	}
	mounts, _ := config["mounts"].([]any)
	config["mounts"] = append(mounts, map[string]any{
		"destination": insideBundle, "type": "bind", "source": file, "options": []string{"rbind", "ro"},
	})
	if p, ok := config["process"].(map[string]any); ok {
		return addVariables(p)
	}
	return nil
}

// addVariables sets what the container itself leaves unset.
func addVariables(process map[string]any) error {
	env, _ := process["env"].([]any)
	has := map[string]bool{}
	for _, e := range env {
		text, _ := e.(string)
		name, _, _ := strings.Cut(text, "=")
		has[name] = true
	}
	for _, name := range trustVariables {
		if !has[name] {
			env = append(env, name+"="+insideBundle)
		}
	}
	for _, name := range proxyVariables {
		if v := os.Getenv(name); v != "" && !has[name] {
			env = append(env, name+"="+v)
		}
	}
	process["env"] = env
	return nil
}

// mergedBundle is the image's own bundle (the build's, where it has none) and
// Penstock's certificates; "" where there are none to add.
func mergedBundle(rootfs string) (string, error) {
	certificates, err := os.ReadFile(filepath.Join(defaultRoot, trustFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	merged := firstBundle(rootfs)
	if merged == nil {
		merged = firstBundle("/")
	}
	if !bytes.Contains(merged, bytes.TrimSpace(certificates)) {
		merged = append(append(merged, '\n'), certificates...)
	}
	sum := sha256.Sum256(merged)
	file := filepath.Join(bundleFolder, hex.EncodeToString(sum[:8])+".pem")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(bundleFolder, 0o755); err != nil {
		return "", err
	}
	tmp := file + "." + fmt.Sprint(os.Getpid())
	if err := os.WriteFile(tmp, merged, 0o644); err != nil {
		return "", err
	}
	return file, os.Rename(tmp, file)
}

// firstBundle reads the system's bundle below rootfs. Links inside are followed
// within it only.
func firstBundle(rootfs string) []byte {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return nil
	}
	defer root.Close()
	for _, name := range systemBundles {
		if b, err := root.ReadFile(name); err == nil {
			return b
		}
	}
	return nil
}
