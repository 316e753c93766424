package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/penstock-ci/penstock/internal/store"
)

// Records is how services write the network. Each change returns the number
// that Publisher.Wait takes. Deleting what is not there is no error.
type Records struct {
	vpcs       store.Collection[VPC]
	subnets    store.Collection[Subnet]
	tables     store.Collection[RouteTable]
	gateways   store.Collection[Gateway]
	nats       store.Collection[NAT]
	groups     store.Collection[Group]
	interfaces store.Collection[Interface]
	endpoints  store.Collection[Endpoint]
	publics    store.Collection[public]
	numbers    store.Collection[number]
}

// public is a public address in use.
type public struct{ Holder string }

// number counts the changes of all records.
type number struct{ Value uint64 }

// NewRecords defines the tables.
func NewRecords() *Records {
	return &Records{
		vpcs:       store.Define(store.Schema[VPC]{Table: "network_vpcs"}),
		subnets:    store.Define(store.Schema[Subnet]{Table: "network_subnets"}),
		tables:     store.Define(store.Schema[RouteTable]{Table: "network_tables"}),
		gateways:   store.Define(store.Schema[Gateway]{Table: "network_gateways"}),
		nats:       store.Define(store.Schema[NAT]{Table: "network_nats"}),
		groups:     store.Define(store.Schema[Group]{Table: "network_groups"}),
		interfaces: store.Define(store.Schema[Interface]{Table: "network_interfaces"}),
		endpoints:  store.Define(store.Schema[Endpoint]{Table: "network_endpoints"}),
		publics:    store.Define(store.Schema[public]{Table: "network_publics"}),
		numbers:    store.Define(store.Schema[number]{Table: "network_numbers"}),
	}
}

// Tables are for the migration at start.
func (r *Records) Tables() []store.Table {
	return []store.Table{r.vpcs, r.subnets, r.tables, r.gateways, r.nats, r.groups, r.interfaces, r.endpoints, r.publics, r.numbers}
}

// everywhere is the scope of the records: one plane serves all accounts and regions.
var everywhere = store.Scope{Account: "network", Region: "all"}

const numberKey = "records"

// Topic rings after a commit that changed a record.
const Topic = "network"

// PutVPC writes v, as do the other Puts their records.
func (r *Records) PutVPC(ctx context.Context, tx store.Tx, v VPC) (uint64, error) {
	return put(ctx, tx, r, r.vpcs, v.ID, v)
}

// DeleteVPC takes the VPC's namespace down.
func (r *Records) DeleteVPC(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.vpcs, id)
}

func (r *Records) PutSubnet(ctx context.Context, tx store.Tx, s Subnet) (uint64, error) {
	return put(ctx, tx, r, r.subnets, s.ID, s)
}

func (r *Records) DeleteSubnet(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.subnets, id)
}

func (r *Records) PutTable(ctx context.Context, tx store.Tx, t RouteTable) (uint64, error) {
	return put(ctx, tx, r, r.tables, t.ID, t)
}

func (r *Records) DeleteTable(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.tables, id)
}

func (r *Records) PutGateway(ctx context.Context, tx store.Tx, g Gateway) (uint64, error) {
	return put(ctx, tx, r, r.gateways, g.ID, g)
}

// DeleteGateway detaches the gateway.
func (r *Records) DeleteGateway(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.gateways, id)
}

func (r *Records) PutNAT(ctx context.Context, tx store.Tx, n NAT) (uint64, error) {
	return put(ctx, tx, r, r.nats, n.ID, n)
}

func (r *Records) DeleteNAT(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.nats, id)
}

func (r *Records) PutGroup(ctx context.Context, tx store.Tx, g Group) (uint64, error) {
	return put(ctx, tx, r, r.groups, g.ID, g)
}

func (r *Records) DeleteGroup(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.groups, id)
}

func (r *Records) PutInterface(ctx context.Context, tx store.Tx, i Interface) (uint64, error) {
	return put(ctx, tx, r, r.interfaces, i.ID, i)
}

func (r *Records) DeleteInterface(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.interfaces, id)
}

func (r *Records) PutEndpoint(ctx context.Context, tx store.Tx, e Endpoint) (uint64, error) {
	return put(ctx, tx, r, r.endpoints, e.ID, e)
}

func (r *Records) DeleteEndpoint(ctx context.Context, tx store.Tx, id string) (uint64, error) {
	return remove(ctx, tx, r, r.endpoints, id)
}

// Interface reads one interface; store.ErrNotFound.
func (r *Records) Interface(ctx context.Context, rd store.Reader, id string) (Interface, error) {
	d, err := r.interfaces.Get(ctx, rd, everywhere, id)
	return d.Value, err
}

// ErrNoPublic says that the pool of public addresses is used up.
var ErrNoPublic = errors.New("no public address is free")

// TakePublic reserves a public address for holder.
func (r *Records) TakePublic(ctx context.Context, tx store.Tx, holder string) (netip.Addr, error) {
	docs, err := r.publics.List(ctx, tx, everywhere, store.Query{})
	if err != nil {
		return netip.Addr{}, fmt.Errorf("read public addresses: %w", err)
	}
	used := make(map[string]bool, len(docs))
	for _, d := range docs {
		used[d.Key] = true
	}
	for a := publicPool.Addr().Next(); publicPool.Contains(a); a = a.Next() {
		if used[a.String()] {
			continue
		}
		if _, err := r.publics.Put(ctx, tx, everywhere, a.String(), public{holder}, 0); err != nil {
			return netip.Addr{}, fmt.Errorf("reserve public address %s: %w", a, err)
		}
		return a, nil
	}
	return netip.Addr{}, ErrNoPublic
}

// ReturnPublic frees a.
func (r *Records) ReturnPublic(ctx context.Context, tx store.Tx, a netip.Addr) error {
	d, err := r.publics.Get(ctx, tx, everywhere, a.String())
	if err == nil {
		err = r.publics.Delete(ctx, tx, everywhere, a.String(), d.Version)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("free public address %s: %w", a, err)
	}
	return nil
}

// Number is that of the last change.
func (r *Records) Number(ctx context.Context, rd store.Reader) (uint64, error) {
	n, err := r.numbers.Get(ctx, rd, everywhere, numberKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, fmt.Errorf("read the number of the network's records: %w", err)
	}
	return n.Value.Value, nil
}

// State reads all records at one commit.
func (r *Records) State(ctx context.Context, rd store.Reader) (s State, err error) {
	if s.Number, err = r.Number(ctx, rd); err != nil {
		return s, err
	}
	return s, errors.Join(
		all(ctx, rd, r.vpcs, &s.VPCs), all(ctx, rd, r.subnets, &s.Subnets), all(ctx, rd, r.tables, &s.Tables),
		all(ctx, rd, r.gateways, &s.Gateways), all(ctx, rd, r.nats, &s.NATs), all(ctx, rd, r.groups, &s.Groups),
		all(ctx, rd, r.interfaces, &s.Interfaces), all(ctx, rd, r.endpoints, &s.Endpoints))
}

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
	n, err := r.numbers.Get(ctx, tx, everywhere, numberKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, fmt.Errorf("read the number of the network's records: %w", err)
	}
	n.Value.Value++
	if _, err := r.numbers.Put(ctx, tx, everywhere, numberKey, n.Value, n.Version); err != nil {
		return 0, fmt.Errorf("count a change of the network's records: %w", err)
	}
	store.Wake(tx, Topic)
	return n.Value.Value, nil
}

func all[T any](ctx context.Context, rd store.Reader, c store.Collection[T], out *[]T) error {
	docs, err := c.List(ctx, rd, everywhere, store.Query{})
	if err != nil {
		return fmt.Errorf("read the network's records: %w", err)
	}
	for _, d := range docs {
		*out = append(*out, d.Value)
	}
	return nil
}
