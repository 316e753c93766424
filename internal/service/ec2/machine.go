package ec2

import (
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
)

// The life of a NAT gateway. Handlers write pending, failed and deleting, each with the
// record's number; the machine goes on when packets obey it.
const (
	natPending   = "pending"
	natAvailable = "available"
	natFailed    = "failed"
	natDeleting  = "deleting"
	natDeleted   = "deleted"
)

const natKind = "ec2.natgateway"

// Events and effects of a NAT gateway.
const (
	natCreated = "created" // by CreateNatGateway
	natRemoved = "removed" // by DeleteNatGateway
	natObeyed  = "obeyed"  // packets obey the number
	natOld     = "old"     // long enough shown as deleted

	natWait   = "wait"
	natForget = "forget"
)

// natShown is how long a deleted or failed NAT gateway is still listed.
const natShown = time.Hour

func stepNAT(n NatGateway, e engine.Event) (engine.Turn[NatGateway], error) {
	t := engine.Turn[NatGateway]{Next: n}
	forget := engine.Effect{Name: natOld, Due: e.At.Add(natShown)}
	switch e.Name {
	case natCreated:
		if n.State == natFailed {
			t.Effects = []engine.Effect{forget}
		} else {
			t.Effects = []engine.Effect{{Do: natWait, Name: natWait + "/" + natPending}}
		}
	case natRemoved:
		t.Effects = []engine.Effect{{Do: natWait, Name: natWait + "/" + natDeleting}}
	case natObeyed:
		switch n.State {
		case natPending:
			t.Next.State = natAvailable
		case natDeleting:
			t.Next.State, t.Next.DeletedAt = natDeleted, e.At
			t.Effects = []engine.Effect{forget}
		}
	case natOld:
		if n.State == natDeleted || n.State == natFailed {
			t.Effects = []engine.Effect{{Do: natForget, Name: natForget}}
		}
	}
	return t, nil
}
