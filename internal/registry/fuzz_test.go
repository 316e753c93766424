package registry

import "testing"

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":2},"layers":[]}`), ociManifest)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[]}`), "")
	f.Fuzz(func(t *testing.T, body []byte, mediaType string) {
		i, err := parse(body, mediaType)
		if err == nil && !i.Digest.Valid() {
			t.Errorf("digest = %q", i.Digest)
		}
	})
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=1-2", int64(10))
	f.Add("bytes=-3", int64(10))
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		off, n, partial := byteRange(s, size)
		if n > 0 && (off < 0 || off+n > size) {
			t.Errorf("%q of %d = %d, %d, %v", s, size, off, n, partial)
		}
	})
}

func FuzzHost(f *testing.F) {
	f.Add("100000000001.dkr.ecr.us-east-1.amazonaws.com:443", "app")
	f.Add("127.0.0.1:4566", "100000000001.us-east-1/app")
	f.Fuzz(func(t *testing.T, host, name string) {
		if got := find(host, name); got.mirror != "" && got.scope.Account != "" {
			t.Errorf("%s/%s is both an account's and a mirror's", host, name)
		}
	})
}

func TestWildcardsMatchTheWholeTag(t *testing.T) {
	t.Parallel()
	for pattern, c := range map[string]struct{ yes, no string }{
		"dev*":  {"dev-1", "a-dev"},
		"*prod": {"x-prod", "prod-x"},
		"a*b*c": {"a1b2c", "a1c2b"},
		"a*a":   {"aa", "a"},
		"exact": {"exact", "exactly"},
		"*":     {"", ""},
	} {
		if !Wildcard(pattern, c.yes) || c.no != "" && Wildcard(pattern, c.no) {
			t.Errorf("%q matches %q: %v, %q: %v", pattern, c.yes, Wildcard(pattern, c.yes), c.no, Wildcard(pattern, c.no))
		}
	}
}
