package blob_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

// hands is a clock that is set by hand.
type hands struct{ now time.Time }

func (h *hands) Now() time.Time                       { return h.now }
func (h *hands) After(time.Duration) <-chan time.Time { return nil }

func setup(t *testing.T) (*blob.Keeper, *blob.Disk, *store.SQL, *hands) {
	t.Helper()
	disk, err := blob.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	db, clk := storetest.Open(t), &hands{time.Unix(1e9, 0)}
	return blob.NewKeeper(disk, db, clk), disk, db, clk
}

func put(t *testing.T, s blob.Store, text string) blob.Digest {
	t.Helper()
	d, n, err := s.Put(t.Context(), strings.NewReader(text), "")
	if err != nil || n != int64(len(text)) {
		t.Fatalf("put %q: %d bytes, %v", text, n, err)
	}
	return d
}

func read(t *testing.T, s blob.Store, d blob.Digest, off, n int64) string {
	t.Helper()
	f, err := s.Open(t.Context(), d, off, n)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestBytesComeBackWholeAndInPart(t *testing.T) {
	t.Parallel()
	k, _, _, _ := setup(t)
	d := put(t, k, "hello, blob")
	put(t, k, "hello, blob")
	if got := read(t, k, d, 0, -1); got != "hello, blob" {
		t.Fatalf("got %q", got)
	}
	if got := read(t, k, d, 7, 2); got != "bl" {
		t.Fatalf("got %q", got)
	}
}

func TestOtherBytesThanAnnouncedAreNotKept(t *testing.T) {
	t.Parallel()
	k, disk, _, _ := setup(t)
	d := put(t, k, "a")
	if _, _, err := k.Put(t.Context(), strings.NewReader("b"), d); !errors.Is(err, blob.ErrDigest) {
		t.Fatalf("got %v", err)
	}
	n := 0
	if err := disk.List(t.Context(), func(blob.Digest) error { n++; return nil }); err != nil || n != 1 {
		t.Fatalf("%d blobs, %v", n, err)
	}
	if _, err := k.Open(t.Context(), "sha256:../../etc/passwd", 0, -1); !errors.Is(err, blob.ErrMalformed) {
		t.Fatalf("got %v", err)
	}
}

func TestUnheldBlobIsCollectedADayLater(t *testing.T) {
	t.Parallel()
	k, disk, db, clk := setup(t)
	held, free := put(t, k, "held"), put(t, k, "free")
	stray := put(t, disk, "without a row")
	update := func(f func(ctx context.Context, tx store.Tx) error) error { return db.Update(t.Context(), f) }
	if err := update(func(ctx context.Context, tx store.Tx) error { return k.Hold(ctx, tx, held, "me") }); err != nil {
		t.Fatal(err)
	}
	collect := func(want int) {
		t.Helper()
		if n, err := k.Collect(t.Context()); err != nil || n != want {
			t.Fatalf("collected %d, want %d: %v", n, want, err)
		}
	}
	collect(0)
	clk.now = clk.now.Add(blob.Grace + time.Minute)
	collect(2)
	for _, d := range []blob.Digest{free, stray} {
		if _, err := k.Open(t.Context(), d, 0, -1); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("%s: %v", d, err)
		}
	}
	if err := update(func(ctx context.Context, tx store.Tx) error { return k.Hold(ctx, tx, free, "late") }); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("hold of a collected blob: %v", err)
	}
	if err := update(func(ctx context.Context, tx store.Tx) error { return k.Release(ctx, tx, held, "me") }); err != nil {
		t.Fatal(err)
	}
	collect(0)
	clk.now = clk.now.Add(blob.Grace + time.Minute)
	collect(1)
}
