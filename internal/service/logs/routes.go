package logs

import (
	api "github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service. What touches streams is a stream
// operation: they lie in another database than groups.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateLogGroup, func(c op.Caller, in *api.CreateLogGroupInput) []string { return groupARN(c, in.LogGroupName) }, s.createGroup),
		op.Stream(api.DescribeLogGroups, nil, s.describeGroups),
		op.Stream(api.DeleteLogGroup, func(c op.Caller, in *api.DeleteLogGroupInput) []string { return groupARN(c, in.LogGroupName) }, s.deleteGroup),
		op.Change(api.PutRetentionPolicy, func(c op.Caller, in *api.PutRetentionPolicyInput) []string { return groupARN(c, in.LogGroupName) }, s.putRetention),
		op.Change(api.DeleteRetentionPolicy, func(c op.Caller, in *api.DeleteRetentionPolicyInput) []string { return groupARN(c, in.LogGroupName) }, s.deleteRetention),

		op.Stream(api.CreateLogStream, func(c op.Caller, in *api.CreateLogStreamInput) []string {
			return streamARN(c, in.LogGroupName, in.LogStreamName)
		}, s.createStream),
		op.Stream(api.DescribeLogStreams, func(c op.Caller, in *api.DescribeLogStreamsInput) []string {
			return groupARN(c, groupName(in.LogGroupName, in.LogGroupIdentifier))
		}, s.describeStreams),
		op.Stream(api.DeleteLogStream, func(c op.Caller, in *api.DeleteLogStreamInput) []string {
			return streamARN(c, in.LogGroupName, in.LogStreamName)
		}, s.deleteStream),

		op.Stream(api.PutLogEvents, func(c op.Caller, in *api.PutLogEventsInput) []string {
			return streamARN(c, in.LogGroupName, in.LogStreamName)
		}, s.putEvents),
		op.Stream(api.GetLogEvents, func(c op.Caller, in *api.GetLogEventsInput) []string {
			return streamARN(c, groupName(in.LogGroupName, in.LogGroupIdentifier), in.LogStreamName)
		}, s.getEvents),
		op.Stream(api.FilterLogEvents, func(c op.Caller, in *api.FilterLogEventsInput) []string {
			return groupARN(c, groupName(in.LogGroupName, in.LogGroupIdentifier))
		}, s.filterEvents),

		op.Change(api.TagResource, func(_ op.Caller, in *api.TagResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.tag),
		op.Change(api.UntagResource, func(_ op.Caller, in *api.UntagResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.untag),
		op.Read(api.ListTagsForResource, func(_ op.Caller, in *api.ListTagsForResourceInput) []string { return []string{op.Val(in.ResourceArn)} }, s.listTags),
		op.Read(api.ListTagsLogGroup, func(c op.Caller, in *api.ListTagsLogGroupInput) []string { return groupARN(c, in.LogGroupName) }, s.listGroupTags),
	}
}
