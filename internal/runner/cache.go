package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// restoreCache brings what earlier builds kept, before INSTALL. Whatever goes wrong is
// told in the log: a build does without.
func (b *build) restoreCache(ctx context.Context) {
	c := b.plan.Cache
	if c == nil {
		return
	}
	for i, p := range c.Paths {
		c.Paths[i] = os.Expand(p, b.session.get)
		b.log.say("Expanded cache path %s", c.Paths[i])
	}
	if c.Local {
		b.linkCache(ctx, c.Paths)
		return
	}
	key, err := b.cacheKey(ctx, c.Key)
	if err != nil {
		b.log.say("Unable to evaluate the cache key %s: %v", c.Key, err)
		return
	}
	b.cacheAt = key
	if !c.Restore {
		return
	}
	b.log.say("Downloading S3 cache...")
	if err := b.bringCache(ctx, key); err != nil {
		b.log.say("Unable to download cache: %v", err)
	}
}

// cacheKey is the key of the object that an expression of the shell stands for; without an
// expression it is the one entry, which each build overwrites. An entry of a
// key is also one of its paths: others would unpack to something else.
func (b *build) cacheKey(ctx context.Context, expression string) (string, error) {
	c := b.plan.Cache
	if expression == "" {
		return c.Prefix + "cache" + cacheSuffix, nil
	}
	key, err := b.evaluate(ctx, expression)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(c.Paths)), "\x00")))
	return c.Prefix + hex.EncodeToString(sum[:8]) + "/" + url.PathEscape(key) + cacheSuffix, nil
}

const cacheSuffix = ".tar.zst"

// bringCache looks for the key's own entry, then for the newest one that a fallback key is
// the beginning of.
func (b *build) bringCache(ctx context.Context, key string) error {
	err := b.unpackCache(ctx, key)
	var missing *storeError
	if !errors.As(err, &missing) || missing.Code != "NoSuchKey" || b.plan.Cache.Key == "" {
		return err
	}
	for _, expression := range b.plan.Cache.Fallback {
		prefix, ferr := b.cacheKey(ctx, expression)
		if ferr != nil {
			return ferr
		}
		found, ferr := b.objects.list(ctx, b.plan.Cache.Bucket, strings.TrimSuffix(prefix, cacheSuffix))
		if ferr != nil {
			return ferr
		}
		if len(found) > 0 {
			newest := slices.MaxFunc(found, func(x, y object) int { return x.modified.Compare(y.modified) })
			return b.unpackCache(ctx, newest.key)
		}
	}
	return err
}

func (b *build) unpackCache(ctx context.Context, key string) error {
	body, _, err := b.objects.get(ctx, b.plan.Cache.Bucket, key, "")
	if err != nil {
		return err
	}
	defer body.Close()
	b.log.say("Unarchiving cache...")
	n, err := readCache(body, b.session.home)
	if err != nil {
		return fmt.Errorf("%s: %w", path.Base(key), err)
	}
	b.log.say("Restored %d file(s) of cache %s", n, path.Base(key))
	b.cacheHad = key
	return nil
}

// saveCache keeps the files for the builds to come. An entry of a key is never changed.
func (b *build) saveCache(ctx context.Context) {
	c := b.plan.Cache
	if c == nil || c.Local || !c.Save || b.cacheAt == "" {
		return
	}
	b.log.say("Uploading S3 cache...")
	if err := b.storeCache(ctx, *c); err != nil {
		b.log.say("Unable to upload cache: %v", err)
	}
}

func (b *build) storeCache(ctx context.Context, c protocol.Cache) error {
	if c.Key != "" {
		found, err := b.objects.list(ctx, c.Bucket, b.cacheAt)
		if err != nil {
			return err
		}
		if b.cacheHad == b.cacheAt || len(found) > 0 {
			b.log.say("Cache %s is there already and stays as it is", path.Base(b.cacheAt))
			return nil
		}
	}
	files, err := keep(b.session.home, c.Paths)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(b.tmp(), "cache-*"+cacheSuffix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := writeCache(f, files); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	err = b.objects.put(ctx, c.Bucket, b.cacheAt, size, b.objectHeader(c.KMSKey), func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, 0, size)), nil
	})
	if err == nil {
		b.log.say("Stored %d file(s), %d bytes, as cache %s", len(files), size, path.Base(b.cacheAt))
	}
	return err
}

// objectHeader says whose an object is, and which key encrypts it ("" is the bucket's own).
func (b *build) objectHeader(kmsKey string) http.Header {
	h := http.Header{"X-Amz-Meta-Codebuild-Buildarn": {b.start.ARN}}
	if kmsKey != "" {
		h["X-Amz-Server-Side-Encryption"] = []string{"aws:kms"}
		h["X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"] = []string{kmsKey}
	}
	return h
}
