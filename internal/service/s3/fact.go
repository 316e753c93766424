package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/penstock-ci/penstock/internal/eventstream"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// fact is what happened to a version.
type fact struct {
	kind   string // "Object Created", "Object Deleted"
	reason string // the operation
	key    string
	v      Version
}

// tell appends S3's own event where the bucket asks for EventBridge, and the
// CloudTrail form that older pipelines match ("CodePipeline user guide, Amazon S3
// source actions that use CloudTrail").
func (s *Service) tell(ctx context.Context, tx store.Tx, c op.Caller, b store.Doc[Bucket], f fact) error {
	scope := store.Scope{Account: b.Value.Account, Region: b.Value.Region}
	var facts []eventstream.Fact
	add := func(detailType string, detail map[string]any) error {
		body, err := json.Marshal(detail)
		if err != nil {
			return fmt.Errorf("write the detail of %s: %w", detailType, err)
		}
		facts = append(facts, eventstream.Fact{Source: "aws.s3", DetailType: detailType, Resources: []string{prefix + b.Key}, Detail: body})
		return nil
	}
	if b.Value.Notification != nil && b.Value.Notification.EventBridgeConfiguration != nil {
		object := map[string]any{"key": f.key, "size": f.v.Size, "etag": strings.Trim(f.v.ETag, `"`), "sequencer": fmt.Sprintf("%016X", s.Clock.Now().UnixNano())}
		if f.v.ID != "null" {
			object["version-id"] = f.v.ID
		}
		if err := add(f.kind, map[string]any{
			"version": "0", "bucket": map[string]any{"name": b.Key}, "object": object, "request-id": c.RequestID,
			"requester": c.Account, "source-ip-address": c.Origin.Address.String(), "reason": f.reason,
		}); err != nil {
			return err
		}
	}
	if f.kind == "Object Created" {
		if err := add("AWS API Call via CloudTrail", map[string]any{
			"eventSource": "s3.amazonaws.com", "eventName": f.reason, "awsRegion": b.Value.Region,
			"requestParameters": map[string]any{"bucketName": b.Key, "key": f.key},
		}); err != nil {
			return err
		}
	}
	return s.Stream.Append(ctx, tx, scope, facts...)
}
