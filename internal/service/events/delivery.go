package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	api "github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	deliveryKind = "events.delivery"
	principal    = "events.amazonaws.com"
)

// Delivery is one event on its way to one target. Its key is fact/rule/target.
type Delivery struct {
	Rule    string // its name
	RuleARN string
	Target  Target
	Event   json.RawMessage
	Status  string    // PENDING, DELIVERED, FAILED
	Reason  string    `json:",omitzero"`
	Taken   time.Time // when the rule took the event
	At      time.Time // of the last change
}

// ended sorts what may be swept: the time of the ended ones.
func (d Delivery) ended() string {
	if d.Status == "PENDING" {
		return ""
	}
	return d.At.UTC().Format(time.RFC3339)
}

// step: PENDING until the target has taken the event, or refused it for good.
func step(d Delivery, e engine.Event) (engine.Turn[Delivery], error) {
	t := engine.Turn[Delivery]{Next: d}
	if d.Status != "PENDING" {
		return t, nil
	}
	switch e.Name {
	case "matched":
		t.Effects = []engine.Effect{{Do: "deliver", Name: "deliver"}}
	case "delivered":
		t.Next.Status, t.Next.At = "DELIVERED", e.At
	case "deliver.failed":
		var f engine.Failure
		if err := json.Unmarshal(e.Body, &f); err != nil {
			return t, err
		}
		t.Next.Status, t.Next.Reason, t.Next.At = "FAILED", f.Error, e.At
	}
	return t, nil
}

// match makes a delivery of each target whose rule matches the fact, in the
// transaction that moves the consumer's cursor.
func (s *Service) match(ctx context.Context, tx store.Tx, f eventstream.Fact) error {
	rules, err := s.rules.List(ctx, tx, f.Scope, store.Query{})
	if err != nil || len(rules) == 0 {
		return err
	}
	body, err := envelope(f)
	if err != nil {
		return fmt.Errorf("write the event of fact %s: %w", f.ID, err)
	}
	for _, r := range rules {
		if r.Value.State != api.RuleStateEnabled || !s.meant(r, f, body) {
			continue
		}
		for _, target := range r.Value.Targets {
			if err := s.send(ctx, tx, f, r, target, body); err != nil {
				return err
			}
		}
	}
	return nil
}

// meant tells whether the fact is one that the rule waits for.
func (s *Service) meant(r store.Doc[Rule], f eventstream.Fact, body []byte) bool {
	if isOccurrence(f) {
		return slices.Contains(f.Resources, r.Value.ARN)
	}
	if r.Value.Pattern == "" {
		return false
	}
	p, err := s.compiled(r.Value.Pattern)
	if err != nil {
		s.Log.Error("a rule's pattern cannot be read", "rule", r.Key, "error", err)
		return false
	}
	return p.Matches(body)
}

func (s *Service) send(ctx context.Context, tx store.Tx, f eventstream.Fact, r store.Doc[Rule], target Target, body []byte) error {
	key := f.ID + "/" + r.Key + "/" + target.ID
	d := Delivery{Rule: r.Key, RuleARN: r.Value.ARN, Target: target, Event: body, Status: "PENDING", Taken: s.Clock.Now(), At: s.Clock.Now()}
	_, err := s.deliveries.Put(ctx, tx, f.Scope, key, d, 0)
	if errors.Is(err, store.ErrVersion) {
		return nil // made already
	}
	if err != nil {
		return err
	}
	return s.Engine.Send(ctx, tx, engine.ID{Scope: f.Scope, Kind: deliveryKind, Key: key}, engine.Event{Name: "matched"})
}

// keepEnded is how long ended deliveries stay, for whoever looks why nothing came.
const keepEnded = 48 * time.Hour

// Sweep removes deliveries that ended long ago.
func (s *Service) Sweep(ctx context.Context) error {
	before := s.Clock.Now().Add(-keepEnded).UTC().Format(time.RFC3339)
	return s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		docs, err := s.deliveries.List(ctx, tx, store.Scope{}, store.Query{Index: "ended"})
		if err != nil {
			return err
		}
		for _, d := range docs {
			if at := d.Value.ended(); at == "" || at > before {
				continue
			}
			if err := s.deliveries.Delete(ctx, tx, d.Scope, d.Key, d.Version); err != nil {
				return err
			}
		}
		return nil
	})
}

// putEvents takes events of one's own into the stream, each by itself.
func (s *Service) putEvents(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutEventsInput) (*api.PutEventsOutput, error) {
	out := &api.PutEventsOutput{FailedEntryCount: new(int32(0)), Entries: []api.PutEventsResultEntry{}}
	for i, e := range in.Entries {
		code, message := wrong(e)
		if code != "" {
			*out.FailedEntryCount++
			out.Entries = append(out.Entries, api.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: &message})
			continue
		}
		seed := ""
		if c.Key != "" {
			seed = fmt.Sprintf("%s/%d", c.Key, i)
		}
		f := eventstream.Fact{ID: ids.UUID(seed), Source: *e.Source, DetailType: *e.DetailType, Resources: e.Resources, Detail: json.RawMessage(*e.Detail)}
		if e.Time != nil {
			f.At = e.Time.Time
		}
		if err := s.Stream.Append(ctx, tx, c.Scope, f); err != nil {
			return nil, err
		}
		out.Entries = append(out.Entries, api.PutEventsResultEntry{EventId: &f.ID})
	}
	return out, nil
}

// wrong is an entry's error, in AWS's words.
func wrong(e api.PutEventsRequestEntry) (code, message string) {
	for name, value := range map[string]*string{"Source": e.Source, "DetailType": e.DetailType, "Detail": e.Detail} {
		if op.Val(value) == "" {
			return "InvalidArgument", fmt.Sprintf("Parameter %s is not valid. Reason: %s is a required argument.", name, name)
		}
	}
	var detail map[string]json.RawMessage
	if json.Unmarshal([]byte(*e.Detail), &detail) != nil {
		return "MalformedDetail", "Detail is malformed."
	}
	if len(*e.Source) >= 4 && (*e.Source)[:4] == "aws." {
		return "NotAuthorizedForSourceException", "Not authorized for the source."
	}
	return "", ""
}
