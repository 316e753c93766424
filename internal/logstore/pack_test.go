package logstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/store"
)

// A transaction holds off every other stream's lines: packing a long log is many of them.
func TestALongLogIsPackedInTransactionsThatEndSoon(t *testing.T) {
	t.Parallel()
	d, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Shut(); err != nil {
			t.Error(err)
		}
	})
	s := Stream{Account: "1", Region: "r", Group: "g", Name: "long"}
	const size, sends = packedLines / 2, 4
	for i := range sends {
		var lines []Line
		for n := range size {
			lines = append(lines, Line{At: time.UnixMicro(1e15).UTC(), Text: fmt.Sprint(i*size + n)})
		}
		if _, err := d.Append(t.Context(), s, uint64(i*size), lines); err != nil {
			t.Fatal(err)
		}
	}
	count := func(packed int) (n int) {
		t.Helper()
		err := d.db.View(t.Context(), func(ctx context.Context, r store.Reader) error {
			return store.Row(ctx, r, `SELECT COUNT(*) FROM log_batches WHERE packed = $1`, []any{packed}, &n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var more bool
	err = d.db.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		w, err := d.find(ctx, tx, s)
		if err != nil {
			return err
		}
		more, err = pack(ctx, tx, w.id)
		return err
	})
	if err != nil || !more || count(1) != 1 || count(0) == 0 {
		t.Fatalf("one transaction made %d packed batches and left %d others (more: %t), want 1 and some: %v", count(1), count(0), more, err)
	}
	for range 2 { // the second goes on with nothing
		if err := d.Close(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if count(0) != 0 {
			t.Fatalf("%d batches of a closed stream are not packed", count(0))
		}
	}
	p, err := d.Read(t.Context(), s, "", size*sends+1)
	if err != nil || len(p.Lines) != size*sends {
		t.Fatalf("%d lines after packing, want %d: %v", len(p.Lines), size*sends, err)
	}
	for i, l := range p.Lines {
		if l.Text != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, l.Text)
		}
	}
}
