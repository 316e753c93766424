package wire

import (
	"net"
	"net/netip"
	"strings"
)

// hostname is a Host header's name in lower case without its port.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// bucketOfHost is the bucket in a virtual-hosted S3 name: bucket.s3.amazonaws.com,
// bucket.s3.us-east-1.amazonaws.com, bucket.s3-us-east-1.…, and bucket.localhost as
// SDKs make it from an endpoint on localhost.
func bucketOfHost(host string) (string, bool) {
	name := hostname(host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return "", false
	}
	if b, ok := strings.CutSuffix(name, ".localhost"); ok {
		return strings.TrimSuffix(strings.TrimSuffix(b, ".s3"), "."), b != "s3" && b != ""
	}
	name, ok := strings.CutSuffix(strings.TrimSuffix(name, ".cn"), ".amazonaws.com")
	if !ok {
		return "", false
	}
	for _, mark := range []string{".s3.", ".s3-"} {
		if i := strings.LastIndex(name+".", mark); i > 0 {
			return name[:i], true
		}
	}
	return "", false
}
