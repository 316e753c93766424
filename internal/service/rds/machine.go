package rds

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
)

// States of an instance, as AWS names them.
const (
	creating     = "creating"
	available    = "available"
	modifying    = "modifying"
	rebooting    = "rebooting"
	stopping     = "stopping"
	stopped      = "stopped"
	starting     = "starting"
	deleting     = "deleting"
	stateFailed  = "failed"
	incompatible = "incompatible-network"
)

const kindName = "rds.instance"

// Events of an instance. Their ids, or their names where the engine makes those,
// begin with the resource id, so that none reaches a later instance of the same name.
const (
	evCreated   = "created"
	evSecreted  = "secreted"  // body secreted
	evAttached  = "attached"  // body attachment
	evPublished = "published" // the name is known everywhere
	evStarted   = "started"   // body attempt: its container was asked for
	evHealthy   = "healthy"   // body attempt: it takes connections
	evLost      = "lost"      // body attempt: its container has ended
	evModified  = "modified"  // groups or password are to be applied
	evApplied   = "applied"   // body: number of the change
	evRestart   = "restart"   // a reboot, or another port
	evStop      = "stop"
	evHalted    = "halted"
	evStart     = "start"
	evDeleted   = "deleted"
	evRemoved   = "removed" // nothing is left outside
)

const (
	// startTries is how often the first start may fail.
	startTries = 5
	maxPause   = time.Minute
	retryPause = 10 * time.Second
)

type secreted struct{ ARN, Verifier string }

type attachment struct {
	Interface string
	Address   netip.Addr
}

// step decides what an instance needs next. Pure.
func step(i Instance, e engine.Event) (engine.Turn[Instance], error) {
	mine := i.ResourceID + "/"
	if !strings.HasPrefix(e.ID, mine) && !strings.HasPrefix(e.Name, mine) {
		return engine.Turn[Instance]{Next: i}, nil
	}
	before := i.Status
	timer, err := i.take(e)
	if err != nil {
		return engine.Turn[Instance]{}, fmt.Errorf("%s: %w", e.Name, err)
	}
	i.settle(e.At)
	t := engine.Turn[Instance]{Effects: append(i.next(), timer...)}
	if f := i.fact(before, e); f != nil {
		t.Publish = []eventstream.Fact{*f}
	}
	t.Next = i
	return t, nil
}

// take notes what has happened.
func (i *Instance) take(e engine.Event) (timer []engine.Effect, err error) {
	if name, ok := strings.CutSuffix(e.Name, ".failed"); ok {
		return i.failed(strings.TrimPrefix(name, i.ResourceID+"/"), e)
	}
	var n int
	switch e.Name {
	case evSecreted:
		var b secreted
		err = json.Unmarshal(e.Body, &b)
		i.Acting, i.Secret, i.Verifier = "", b.ARN, b.Verifier
	case evAttached:
		var b attachment
		err = json.Unmarshal(e.Body, &b)
		i.Acting, i.Interface, i.Address = "", b.Interface, b.Address
	case evPublished:
		i.Published = true
	case evStarted:
		err = json.Unmarshal(e.Body, &n)
		i.Acting, i.Started = "", n
	case evHealthy:
		if err = json.Unmarshal(e.Body, &n); n == i.Attempt && i.runs() {
			i.Ready, i.Failures = true, 0
		}
	case evLost:
		if err = json.Unmarshal(e.Body, &n); n == i.Attempt && i.runs() {
			timer = i.lost(e.At)
		}
	case evApplied:
		if err = json.Unmarshal(e.Body, &n); n > i.Applied {
			i.Applied = n
		}
	case evRestart, evStart:
		if i.Status == rebooting || i.Status == starting {
			i.again()
		}
	case evHalted:
		i.Acting, i.Ready = "", false
		if i.Status == stopping {
			i.Status = stopped
		}
	case evDeleted:
		i.Waiting, i.Ready = false, false
	case evRemoved:
		i.Acting, i.Removed = "", true
	case i.ResourceID + "/again":
		i.Waiting = false
	}
	return timer, err
}

// runs tells whether its server is wanted.
func (i *Instance) runs() bool {
	switch i.Status {
	case creating, available, modifying, rebooting, starting:
		return true
	}
	return false
}

// again asks for a new container.
func (i *Instance) again() {
	i.Attempt++
	i.Ready, i.Failures, i.Waiting = false, 0, false
}

// lost replaces the container: at once if it had served, else after a pause.
func (i *Instance) lost(at time.Time) []engine.Effect {
	served, failures := i.Ready, i.Failures+1
	i.again()
	if i.Status == available || i.Status == modifying {
		i.Status = rebooting
	}
	if served {
		return nil
	}
	i.Failures = failures
	if i.Status == creating && failures >= startTries {
		i.Status, i.Reason = stateFailed, "The database server ended again and again before it took connections."
		return nil
	}
	return i.wait(at, min(time.Second<<min(failures, 8), maxPause))
}

func (i *Instance) wait(at time.Time, pause time.Duration) []engine.Effect {
	i.Waiting = true
	return []engine.Effect{{Name: i.ResourceID + "/again", Due: at.Add(pause)}}
}

// failed: an effect was given up. A first start ends here, everything else goes on.
func (i *Instance) failed(effect string, e engine.Event) ([]engine.Effect, error) {
	var f engine.Failure
	if err := json.Unmarshal(e.Body, &f); err != nil {
		return nil, err
	}
	if effect == i.Acting {
		i.Acting = ""
	}
	if i.Status == creating {
		switch f.Do {
		case "attach":
			i.Status, i.Reason = incompatible, f.Error
			return nil, nil
		case "start", "secret":
			i.Status, i.Reason = stateFailed, f.Error
			return nil, nil
		}
	}
	return i.wait(e.At, retryPause), nil
}

// settle: what was under way has ended when the server serves as it shall.
func (i *Instance) settle(at time.Time) {
	if i.runs() && i.Ready && i.Published && i.Applied >= i.Changes {
		i.Status = available
		if i.Created.IsZero() {
			i.Created = at
		}
	}
}

// next are the effects that are due. What concerns container and interface is done
// one after another: Acting is its name.
func (i *Instance) next() (out []engine.Effect) {
	if i.Waiting {
		return nil
	}
	if i.runs() && i.Interface != "" && !i.Published {
		out = append(out, i.effect("publish", 0))
	}
	if i.runs() && i.Ready && i.Applied < i.Changes {
		out = append(out, i.effect("apply", i.Changes))
	}
	if i.Acting != "" {
		return out
	}
	var f engine.Effect
	switch {
	case i.Status == deleting && i.Removed:
		f = i.effect("forget", 0)
	case i.Status == deleting:
		f = i.effect("remove", 0)
	case i.Status == stopping:
		f = i.effect("halt", i.Attempt)
	case !i.runs():
		return out
	case i.Managed && i.Secret == "":
		f = i.effect("secret", 0)
	case i.Interface == "":
		f = i.effect("attach", 0)
	case i.Attempt > i.Started:
		f = i.effect("start", i.Attempt)
	default:
		return out
	}
	i.Acting = strings.TrimPrefix(f.Name, i.ResourceID+"/")
	return append(out, f)
}

func (i *Instance) effect(do string, n int) engine.Effect {
	body, _ := json.Marshal(n) // a number always can be
	return engine.Effect{Do: do, Name: fmt.Sprintf("%s/%s/%d", i.ResourceID, do, n), Body: body}
}
