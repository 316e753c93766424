package dataplane

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-ci/penstock/internal/store"
)

// Collections are the tables of the records.
type Collections struct {
	Names     store.Collection[Name]
	Balancers store.Collection[Balancer]
	Listeners store.Collection[Listener]
	Pools     store.Collection[Pool]
	Numbers   store.Collection[Number]
}

// Define makes the tables.
func Define() Collections {
	return Collections{
		Names:     store.Define(store.Schema[Name]{Table: "dataplane_names"}),
		Balancers: store.Define(store.Schema[Balancer]{Table: "dataplane_balancers"}),
		Listeners: store.Define(store.Schema[Listener]{Table: "dataplane_listeners"}),
		Pools:     store.Define(store.Schema[Pool]{Table: "dataplane_pools"}),
		Numbers:   store.Define(store.Schema[Number]{Table: "dataplane_numbers"}),
	}
}

// Tables are for the migration at start.
func (c Collections) Tables() []store.Table {
	return []store.Table{c.Names, c.Balancers, c.Listeners, c.Pools, c.Numbers}
}

// Number counts the changes of all records.
type Number struct{ Value uint64 }

// everywhere is the scope of the records: one process serves all accounts and regions.
var everywhere = store.Scope{Account: "dataplane", Region: "all"}

const numberKey = "records"

// Topic rings after a commit that changed a record.
const Topic = "dataplane"

// Records is how services write what the process shall do. Each change returns
// the number that Publisher.Wait takes.
type Records struct{ c Collections }

// NewRecords works on the given tables.
func NewRecords(c Collections) *Records {
	return &Records{c: c}
}

// Tables are for the migration at start.
func (r *Records) Tables() []store.Table { return r.c.Tables() }

// PutName makes n known, or replaces what it resolved to.
func (r *Records) PutName(ctx context.Context, tx store.Tx, n Name) (uint64, error) {
	return put(ctx, tx, r, r.c.Names, nameKey(n.VPC, n.Name), n)
}

// DeleteName forgets a name; one that is not known is no error, here and below.
func (r *Records) DeleteName(ctx context.Context, tx store.Tx, vpc, name string) (uint64, error) {
	return remove(ctx, tx, r, r.c.Names, nameKey(vpc, name))
}

// PutBalancer writes b.
func (r *Records) PutBalancer(ctx context.Context, tx store.Tx, b Balancer) (uint64, error) {
	return put(ctx, tx, r, r.c.Balancers, b.ID, b)
}

// DeleteBalancer closes what the balancer listens on.
func (r *Records) DeleteBalancer(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.c.Balancers, id)
}

// PutListener writes l.
func (r *Records) PutListener(ctx context.Context, tx store.Tx, l Listener) (uint64, error) {
	return put(ctx, tx, r, r.c.Listeners, l.ID, l)
}

// DeleteListener closes a port.
func (r *Records) DeleteListener(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.c.Listeners, id)
}

// PutPool writes p with all its targets.
func (r *Records) PutPool(ctx context.Context, tx store.Tx, p Pool) (uint64, error) {
	return put(ctx, tx, r, r.c.Pools, p.ID, p)
}

// DeletePool forgets a pool.
func (r *Records) DeletePool(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.c.Pools, id)
}

// Snapshot reads all records at one commit.
func (r *Records) Snapshot(ctx context.Context, rd store.Reader) (Snapshot, error) {
	var s Snapshot
	n, err := r.c.Numbers.Get(ctx, rd, everywhere, numberKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return s, fmt.Errorf("read the number of the data plane's records: %w", err)
	}
	s.Number = n.Value.Value
	if s.Names, err = all(ctx, rd, r.c.Names); err != nil {
		return s, fmt.Errorf("read names: %w", err)
	}
	if s.Balancers, err = all(ctx, rd, r.c.Balancers); err != nil {
		return s, fmt.Errorf("read balancers: %w", err)
	}
	if s.Listeners, err = all(ctx, rd, r.c.Listeners); err != nil {
		return s, fmt.Errorf("read listeners: %w", err)
	}
	if s.Pools, err = all(ctx, rd, r.c.Pools); err != nil {
		return s, fmt.Errorf("read pools: %w", err)
	}
	s.sort()
	return s, nil
}

func nameKey(vpc, name string) string { return vpc + "/" + name }

func put[T any](ctx context.Context, tx store.Tx, r *Records, c store.Collection[T], key string, v T) (uint64, error) {
	old, err := c.Get(ctx, tx, everywhere, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, fmt.Errorf("read record %s: %w", key, err)
	}
	if _, err := c.Put(ctx, tx, everywhere, key, v, old.Version); err != nil {
		return 0, fmt.Errorf("write record %s: %w", key, err)
	}
	return r.bump(ctx, tx)
}

func remove[T any](ctx context.Context, tx store.Tx, r *Records, c store.Collection[T], key string) (uint64, error) {
	old, err := c.Get(ctx, tx, everywhere, key)
	if err == nil {
		err = c.Delete(ctx, tx, everywhere, key, old.Version)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, fmt.Errorf("delete record %s: %w", key, err)
	}
	return r.bump(ctx, tx)
}

func (r *Records) bump(ctx context.Context, tx store.Tx) (uint64, error) {
	n, err := r.c.Numbers.Get(ctx, tx, everywhere, numberKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, fmt.Errorf("read the number of the data plane's records: %w", err)
	}
	n.Value.Value++
	if _, err := r.c.Numbers.Put(ctx, tx, everywhere, numberKey, n.Value, n.Version); err != nil {
		return 0, fmt.Errorf("count a change of the data plane's records: %w", err)
	}
	store.Wake(tx, Topic)
	return n.Value.Value, nil
}

func all[T any](ctx context.Context, rd store.Reader, c store.Collection[T]) ([]T, error) {
	docs, err := c.List(ctx, rd, everywhere, store.Query{})
	if err != nil {
		return nil, err
	}
	out := make([]T, len(docs))
	for i, d := range docs {
		out[i] = d.Value
	}
	return out, nil
}
