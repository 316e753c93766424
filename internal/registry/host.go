package registry

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/penstock-ci/penstock/internal/store"
)

// target is whose registry a request is for.
type target struct {
	scope store.Scope // of an account's registry
	// mirror is the public registry whose images are asked for: "docker.io".
	mirror     string
	repository string
	prefix     string // what the alias puts before the repository's name
}

// Hosts of registries, and the first component of a repository's name by the alias.
var (
	hostPattern  = regexp.MustCompile(`^(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com|localhost)$`)
	aliasPattern = regexp.MustCompile(`^(\d{12})\.([a-z0-9]+(?:-[a-z0-9]+)+)$`)
)

// ParseHost is the account and region of a registry's own name.
func ParseHost(host string) (store.Scope, bool) {
	m := hostPattern.FindStringSubmatch(host)
	if m == nil {
		return store.Scope{}, false
	}
	return store.Scope{Account: m[1], Region: m[2]}, true
}

// Alias is the name by which the host's Engine finds a repository of the registry:
// it trusts loopback addresses without certificates.
func Alias(address string, s store.Scope, repository string) string {
	return address + "/" + s.Account + "." + s.Region + "/" + repository
}

// MirrorAlias is likewise for an image of the mirror.
func MirrorAlias(address, repository string) string { return address + "/" + repository }

// find tells whose registry host and name are. name may be empty.
func find(host, name string) target {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if scope, ok := ParseHost(host); ok {
		return target{scope: scope, repository: name}
	}
	if isLoopback(host) {
		return alias(name)
	}
	return public(host, name, "")
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

func alias(name string) target {
	first, rest, _ := strings.Cut(name, "/")
	if m := aliasPattern.FindStringSubmatch(first); m != nil {
		return target{scope: store.Scope{Account: m[1], Region: m[2]}, repository: rest, prefix: first + "/"}
	}
	if strings.Contains(first, ".") {
		return public(first, rest, first+"/")
	}
	return target{repository: name}
}

func public(host, name, prefix string) target {
	switch host {
	case "registry-1.docker.io", "index.docker.io", "docker.io":
		host = "docker.io"
		if name != "" && !strings.Contains(name, "/") {
			name = "library/" + name
		}
	}
	return target{mirror: host, repository: name, prefix: prefix}
}

// Matches tells whether a request is the distribution protocol's.
func Matches(r *http.Request) bool {
	return (r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/")) && !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-")
}

// Paths of the protocol: a repository's name may contain every word that they have.
var (
	uploadPath    = regexp.MustCompile(`^/v2/(.+)/blobs/uploads/?([^/]*)$`)
	blobPath      = regexp.MustCompile(`^/v2/(.+)/blobs/([^/]+)$`)
	manifestPath  = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)
	tagsPath      = regexp.MustCompile(`^/v2/(.+)/tags/list$`)
	referrersPath = regexp.MustCompile(`^/v2/(.+)/referrers/([^/]+)$`)
)
