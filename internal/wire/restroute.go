package wire

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
)

// restRoutes finds a REST operation by method, depth of the path, and the query
// parameters and headers that tell one operation from another.
type restRoutes struct {
	routes []restRoute
}

type restRoute struct {
	op       *model.Operation
	depth    int      // labels in the path: 0 service, 1 bucket, 2 key
	literals []string // query parameters in the URI: "versioning", "list-type=2"
}

func newRestRoutes(s *model.Service) *restRoutes {
	r := &restRoutes{}
	for _, list := range [][]model.Operation{s.Ops, s.Refused} {
		for i := range list {
			path, query, _ := strings.Cut(list[i].URI, "?")
			if i := strings.Index(query, "x-id="); i == 0 {
				query = ""
			}
			route := restRoute{op: &list[i], depth: strings.Count(path, "{")}
			if query != "" {
				route.literals = strings.Split(query, "&")
			}
			r.routes = append(r.routes, route)
		}
	}
	return r
}

// find is the most specific operation that the request satisfies, nil if none.
func (r *restRoutes) find(method string, depth int, q url.Values, h http.Header) *model.Operation {
	var best *restRoute
	bestScore := -1
	for i := range r.routes {
		route := &r.routes[i]
		if route.op.Method != method || route.depth != depth || !route.matches(q) {
			continue
		}
		met := route.met(q, h)
		score := 1000*len(route.literals) + 10*met
		if missing := len(route.op.Needs) - met; missing > 0 {
			score -= 500 // PutObject rather than an UploadPart without a part number
		}
		if score > bestScore || best == nil {
			best, bestScore = route, score
		}
	}
	if best == nil {
		return nil
	}
	return best.op
}

func (r *restRoute) matches(q url.Values) bool {
	return !slices.ContainsFunc(r.literals, func(l string) bool {
		name, value, has := strings.Cut(l, "=")
		return !q.Has(name) || has && q.Get(name) != value
	})
}

// met counts the needs that the request meets.
func (r *restRoute) met(q url.Values, h http.Header) (n int) {
	for _, need := range r.op.Needs {
		kind, name, _ := strings.Cut(need, ":")
		if kind == "query" && q.Has(name) || kind == "header" && h.Get(name) != "" {
			n++
		}
	}
	return n
}

// splitPath gives a path-style request's bucket and key as sent, and how many of
// the two there are. A virtual-hosted bucket comes first.
func splitPath(r *http.Request) (labels map[string]string, depth int) {
	path := rawPath(r)
	if b, ok := bucketOfHost(r.Host); ok {
		path = "/" + b + path
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	labels = map[string]string{}
	if bucket != "" {
		labels["Bucket"] = unescape(bucket)
		depth = 1
	}
	if key != "" && bucket != "" {
		labels["Key"] = unescape(key)
		depth = 2
	}
	return labels, depth
}

// rawPath is the path as the client sent it: cleaning it would change S3 keys.
func rawPath(r *http.Request) string {
	p, _, _ := strings.Cut(r.RequestURI, "?")
	if i := strings.Index(p, "://"); i >= 0 { // a proxy's absolute form
		p = p[i+3:]
		if i = strings.IndexByte(p, '/'); i < 0 {
			return "/"
		}
		p = p[i:]
	}
	if p == "" || p == "*" {
		return "/"
	}
	return p
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}
