package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/store"
)

var scope = store.Scope{Account: "100000000001", Region: "us-east-1"}

// charges of every order, side by side.
const charges = 3

// order is a machine: charged three times, then a parcel is made that reports its arrival.
type order struct {
	State              string
	Charged, Delivered int
}

// parcel is a machine that waits for a timer.
type parcel struct{ State string }

// ledger counts the changes that effects make of each order.
type ledger struct{ Charges, Parcels int }

type world struct {
	orders   store.Collection[order]
	parcels  store.Collection[parcel]
	ledger   store.Collection[ledger]
	receipts store.Receipts
}

func newWorld() *world {
	return &world{
		orders:  store.Define(store.Schema[order]{Table: "orders"}),
		parcels: store.Define(store.Schema[parcel]{Table: "parcels"}),
		ledger:  store.Define(store.Schema[ledger]{Table: "ledger"}),
	}
}

func (w *world) place(ctx context.Context, tx store.Tx, e engine.Engine, key string) error {
	if _, err := w.orders.Put(ctx, tx, scope, key, order{State: "new"}, 0); err != nil {
		return err
	}
	if _, err := w.ledger.Put(ctx, tx, scope, key, ledger{}, 0); err != nil {
		return err
	}
	return e.Send(ctx, tx, id("order", key), engine.Event{ID: "placed", Name: "placed"})
}

func id(kind, key string) engine.ID { return engine.ID{Scope: scope, Kind: kind, Key: key} }

// kinds act through one server's database.
func (w *world) kinds(s *server, e engine.Engine) []engine.Kind {
	return []engine.Kind{
		engine.Machine("order", w.orders, stepOrder, map[string]engine.Do[order]{"charge": w.charge(s), "ship": w.ship(s, e)}),
		engine.Machine("parcel", w.parcels, stepParcel, map[string]engine.Do[parcel]{"report": w.report(s, e)}),
	}
}

func stepOrder(o order, e engine.Event) (engine.Turn[order], error) {
	t := engine.Turn[order]{Next: o, Publish: facts(e)}
	switch {
	case e.Name == "placed" && o.State == "new":
		t.Next.State = "charging"
		for i := range charges {
			t.Effects = append(t.Effects, engine.Effect{Do: "charge", Name: fmt.Sprintf("charge-%d", i)})
		}
	case e.Name == "charged":
		t.Next.Charged++
		if t.Next.Charged == charges {
			t.Next.State = "shipping"
			t.Effects = []engine.Effect{{Do: "ship", Name: "ship"}}
		}
	case e.Name == "delivered":
		t.Next.Delivered++
		t.Next.State = "delivered"
	}
	return t, nil
}

func stepParcel(p parcel, e engine.Event) (engine.Turn[parcel], error) {
	t := engine.Turn[parcel]{Next: p, Publish: facts(e)}
	switch e.Name {
	case "made":
		t.Next.State = "travelling"
		t.Effects = []engine.Effect{{Name: "arrived", Due: e.At.Add(5 * time.Minute)}}
	case "arrived":
		t.Next.State = "arrived"
		t.Effects = []engine.Effect{{Do: "report", Name: "report"}}
	}
	return t, nil
}

// facts of a turn wake the test.
func facts(e engine.Event) []eventstream.Fact {
	return []eventstream.Fact{{Source: "sim", DetailType: e.Name}}
}

// change is what dispatch does with a keyed change: receipt and change are one commit.
func (w *world) change(ctx context.Context, s *server, token string, f func(ctx context.Context, tx store.Tx) error) error {
	err := s.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := w.receipts.Get(ctx, tx, token)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := f(ctx, tx); err != nil {
			return err
		}
		return w.receipts.Put(ctx, tx, token, []byte("done"))
	})
	if err != nil {
		return err
	}
	return s.point() // the effect has acted, the engine does not know yet
}

func (w *world) count(ctx context.Context, tx store.Tx, key string, f func(*ledger)) error {
	d, err := w.ledger.Get(ctx, tx, scope, key)
	if err != nil {
		return err
	}
	f(&d.Value)
	_, err = w.ledger.Put(ctx, tx, scope, key, d.Value, d.Version)
	return err
}

func (w *world) charge(s *server) engine.Do[order] {
	return func(ctx context.Context, id engine.ID, _ order, f engine.Effect, token string) (*engine.Event, error) {
		err := w.change(ctx, s, token, func(ctx context.Context, tx store.Tx) error {
			return w.count(ctx, tx, id.Key, func(l *ledger) { l.Charges++ })
		})
		return &engine.Event{Name: "charged"}, err
	}
}

func (w *world) ship(s *server, e engine.Engine) engine.Do[order] {
	return func(ctx context.Context, of engine.ID, _ order, f engine.Effect, token string) (*engine.Event, error) {
		return nil, w.change(ctx, s, token, func(ctx context.Context, tx store.Tx) error {
			if err := w.count(ctx, tx, of.Key, func(l *ledger) { l.Parcels++ }); err != nil {
				return err
			}
			if _, err := w.parcels.Put(ctx, tx, scope, of.Key, parcel{State: "made"}, 0); err != nil {
				return err
			}
			return e.Send(ctx, tx, id("parcel", of.Key), engine.Event{ID: "made", Name: "made"})
		})
	}
}

// report sends across machines without a receipt: the event's id counts it once.
func (w *world) report(s *server, e engine.Engine) engine.Do[parcel] {
	return func(ctx context.Context, of engine.ID, _ parcel, f engine.Effect, token string) (*engine.Event, error) {
		err := s.Update(ctx, func(ctx context.Context, tx store.Tx) error {
			return e.Send(ctx, tx, id("order", of.Key), engine.Event{ID: token, Name: "delivered"})
		})
		if err != nil {
			return nil, err
		}
		return nil, s.point()
	}
}
