package baseimage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// source is one line of apt's list.
type source struct {
	uri, suite string
	components []string
	signedBy   string
}

// debianSources are those of this machine's apt sources that are the
// distribution's own: their suite is named after its release. Others (a vendor's
// repository) have nothing to do in an image.
func debianSources(root string) (release string, lines []string, err error) {
	release, err = releaseOf(root)
	if err != nil {
		return "", nil, err
	}
	files, err := filepath.Glob(filepath.Join(root, "etc/apt/sources.list.d/*"))
	if err != nil {
		return "", nil, err
	}
	slices.Sort(files)
	var all []source
	for _, f := range append([]string{filepath.Join(root, "etc/apt/sources.list")}, files...) {
		body, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", nil, fmt.Errorf("baseimage: reading apt's sources: %w", err)
		}
		switch filepath.Ext(f) {
		case ".list":
			all = append(all, parseList(string(body))...)
		case ".sources":
			all = append(all, parseStanzas(string(body))...)
		}
	}
	for _, s := range all {
		if s.suite != release && !strings.HasPrefix(s.suite, release+"-") {
			continue
		}
		option := ""
		if strings.HasPrefix(s.signedBy, "/") {
			option = "[signed-by=" + s.signedBy + "] "
		}
		line := "deb " + option + s.uri + " " + s.suite + " " + strings.Join(s.components, " ")
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return "", nil, fmt.Errorf("baseimage: no source of Debian %s in this machine's apt sources", release)
	}
	return release, lines, nil
}

var codename = regexp.MustCompile(`(?m)^VERSION_CODENAME="?([a-z]+)"?$`)

func releaseOf(root string) (string, error) {
	body, err := os.ReadFile(filepath.Join(root, "etc/os-release"))
	if err != nil {
		return "", fmt.Errorf("baseimage: reading which distribution this is: %w", err)
	}
	m := codename.FindSubmatch(body)
	if m == nil || !strings.Contains(string(body), "ID=debian") {
		return "", errors.New("baseimage: this machine is not Debian")
	}
	return string(m[1]), nil
}

// parseList reads the one-line form: deb [options] uri suite component...
func parseList(body string) []source {
	var out []source
	for line := range strings.Lines(body) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		s := source{}
		rest = strings.TrimSpace(rest)
		if options, after, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(options, "[") {
			rest = after
			for _, o := range strings.Fields(options[1:]) {
				if by, ok := strings.CutPrefix(o, "signed-by="); ok {
					s.signedBy = by
				}
			}
		}
		f := strings.Fields(rest)
		if len(f) < 3 {
			continue
		}
		s.uri, s.suite, s.components = f[0], f[1], f[2:]
		out = append(out, s)
	}
	return out
}

// parseStanzas reads the deb822 form.
func parseStanzas(body string) []source {
	var out []source
	for stanza := range strings.SplitSeq(body, "\n\n") {
		field := map[string]string{}
		key := ""
		for line := range strings.Lines(stanza) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				field[key] += " " + strings.TrimSpace(line)
				continue
			}
			k, v, ok := strings.Cut(line, ":")
			if ok {
				key = strings.ToLower(strings.TrimSpace(k))
				field[key] = strings.TrimSpace(v)
			}
		}
		if field["enabled"] == "no" || !slices.Contains(strings.Fields(field["types"]), "deb") {
			continue
		}
		for _, uri := range strings.Fields(field["uris"]) {
			for _, suite := range strings.Fields(field["suites"]) {
				out = append(out, source{uri, suite, strings.Fields(field["components"]), field["signed-by"]})
			}
		}
	}
	return out
}

var proxyLine = regexp.MustCompile(`(?m)^Acquire::(https?)::Proxy "([^"]+)";$`)

// aptProxies are the proxies that this machine's apt is told, by variable name.
func aptProxies(ctx context.Context) map[string]string {
	out := map[string]string{}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if v := os.Getenv(name); v != "" {
			out[name] = v
		} else if v := os.Getenv(strings.ToUpper(name)); v != "" {
			out[name] = v
		}
	}
	dump, err := exec.CommandContext(ctx, "apt-config", "dump").Output()
	if err != nil {
		return out // no apt: the environment alone says
	}
	for _, m := range proxyLine.FindAllStringSubmatch(string(dump), -1) {
		out[m[1]+"_proxy"] = m[2]
	}
	return out
}

// debootstrap writes a minimal root as a tar to path.
func debootstrap(ctx context.Context, path string, authorities [][]byte) error {
	release, lines, err := debianSources("/")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "penstock-debian-")
	if err != nil {
		return fmt.Errorf("baseimage: %w", err)
	}
	defer os.RemoveAll(dir)
	args := []string{"--quiet", "--variant=minbase", "--include=ca-certificates", "--mode=root"}
	for _, kept := range []string{"man", "doc", "locale", "info"} {
		args = append(args, "--dpkgopt=path-exclude=/usr/share/"+kept+"/*")
	}
	args = append(args, "--dpkgopt=path-include=/usr/share/doc/*/copyright")
	for name, v := range aptProxies(ctx) {
		if scheme, ok := strings.CutSuffix(name, "_proxy"); ok && scheme != "no" {
			args = append(args, "--aptopt=Acquire::"+scheme+"::Proxy \""+v+"\"")
		}
	}
	for i, a := range authorities {
		file := filepath.Join(dir, fmt.Sprintf("host-%d.crt", i))
		if err := os.WriteFile(file, a, 0o644); err != nil {
			return fmt.Errorf("baseimage: %w", err)
		}
		args = append(args, `--customize-hook=copy-in `+file+` /usr/local/share/ca-certificates`)
	}
	args = append(args, `--customize-hook=chroot "$1" update-ca-certificates`, release, path)
	c := exec.CommandContext(ctx, "mmdebstrap", append(args, lines...)...)
	var output bufferTail
	c.Stdout, c.Stderr = &output, &output
	if err := c.Run(); err != nil {
		return fmt.Errorf("baseimage: mmdebstrap: %w; its last words:\n%s", err, output.String())
	}
	return nil
}

// bufferTail keeps the last 4 KiB.
type bufferTail struct{ b []byte }

func (t *bufferTail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if over := len(t.b) - 4096; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *bufferTail) String() string { return string(t.b) }
