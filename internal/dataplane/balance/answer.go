package balance

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

// reasons are the texts of the load balancer's own answers.
var reasons = map[int]string{
	http.StatusBadGateway:         "502 Bad Gateway",
	http.StatusServiceUnavailable: "503 Service Temporarily Unavailable",
	http.StatusGatewayTimeout:     "504 Gateway Time-out",
	http.StatusNotFound:           "404 Not Found",
}

// refuse is an answer of the load balancer itself.
func refuse(w http.ResponseWriter, status int) {
	text := reasons[status]
	body := fmt.Sprintf("<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body>\r\n</html>\r\n", text, text)
	write(w, status, "text/html", body)
}

func write(w http.ResponseWriter, status int, contentType, body string) {
	h := w.Header()
	h.Set("Server", "awselb/2.0")
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that left is nobody's error
}

func fixed(w http.ResponseWriter, f dataplane.Fixed) {
	contentType := f.ContentType
	if contentType == "" {
		contentType = "text/plain; charset=utf-8"
	}
	write(w, f.Status, contentType, f.Body)
}

// location is where a redirect leads from r, which came to port by protocol.
func location(d dataplane.Redirect, r *http.Request, protocol string, port uint16) string {
	from := strings.NewReplacer(
		"#{protocol}", strings.ToLower(protocol),
		"#{host}", hostname(r.Host),
		"#{port}", strconv.Itoa(int(port)),
		"#{path}", strings.TrimPrefix(r.URL.EscapedPath(), "/"),
		"#{query}", r.URL.RawQuery,
	)
	part := func(s, def string) string {
		if s == "" {
			s = def
		}
		return from.Replace(s)
	}
	scheme := strings.ToLower(part(d.Protocol, "#{protocol}"))
	out := scheme + "://" + part(d.Host, "#{host}") + ":" + part(d.Port, "#{port}") + part(d.Path, "/#{path}")
	if q := part(d.Query, "#{query}"); q != "" {
		out += "?" + q
	}
	return out
}

func redirect(w http.ResponseWriter, r *http.Request, d dataplane.Redirect, protocol string, port uint16) {
	w.Header().Set("Location", location(d, r, protocol, port))
	status := d.Status
	if status == 0 {
		status = http.StatusFound
	}
	write(w, status, "text/html", "")
}
