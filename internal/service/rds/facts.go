package rds

import (
	"encoding/json"

	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
)

// notice is one of RDS's own events.
type notice struct{ category, id, message string }

// arrivals are the events of an instance that becomes available, by what it was.
var arrivals = map[string]notice{
	creating:  {"creation", "RDS-EVENT-0005", "DB instance created"},
	rebooting: {"availability", "RDS-EVENT-0006", "DB instance restarted"},
	starting:  {"notification", "RDS-EVENT-0088", "DB instance started"},
	modifying: {"configuration change", "RDS-EVENT-0014", "Finished applying modification to DB instance"},
}

// fact is the EventBridge event of a change of state, nil for none.
func (i *Instance) fact(before string, e engine.Event) *eventstream.Fact {
	var n notice
	switch {
	case e.Name == evRemoved:
		n = notice{"deletion", "RDS-EVENT-0003", "DB instance deleted"}
	case i.Status == before:
		return nil
	case i.Status == available:
		n = arrivals[before]
	case i.Status == stopped:
		n = notice{"notification", "RDS-EVENT-0087", "DB instance stopped"}
	case e.Name == evLost && i.Status == rebooting:
		n = notice{"recovery", "RDS-EVENT-0020", "Recovery of the DB instance has started"}
	case i.Status == stateFailed || i.Status == incompatible:
		n = notice{"failure", "RDS-EVENT-0031", "DB instance put into " + i.Status}
	default:
		return nil
	}
	// Strings and a list of them always encode.
	raw, _ := json.Marshal(map[string]any{
		"EventCategories": []string{n.category}, "SourceType": "DB_INSTANCE", "SourceArn": i.ARN(),
		"Date": e.At.UTC().Format("2006-01-02T15:04:05.000Z"), "SourceIdentifier": i.ID, "Message": n.message, "EventID": n.id,
	})
	return &eventstream.Fact{Source: "aws.rds", DetailType: "RDS DB Instance Event", Resources: []string{i.ARN()}, Detail: raw}
}
