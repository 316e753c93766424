package rds

import (
	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/op"
)

// Handlers is the whole surface of the service. An operation that is not listed is
// refused by name.
func (s *Service) Handlers() []op.Handler {
	return []op.Handler{
		op.Change(api.CreateDBInstance, func(c op.Caller, in *api.CreateDBInstanceInput) []string {
			return []string{resource(c, "db", in.DBInstanceIdentifier), resource(c, "subgrp", new(op.Or(in.DBSubnetGroupName, defaultGroup)))}
		}, s.createDBInstance),
		op.Read(api.DescribeDBInstances, on("db", func(in *api.DescribeDBInstancesInput) *string { return in.DBInstanceIdentifier }), s.describeDBInstances),
		op.Change(api.ModifyDBInstance, on("db", func(in *api.ModifyDBInstanceInput) *string { return in.DBInstanceIdentifier }), s.modifyDBInstance),
		op.Change(api.RebootDBInstance, on("db", func(in *api.RebootDBInstanceInput) *string { return in.DBInstanceIdentifier }), s.rebootDBInstance),
		op.Change(api.StopDBInstance, on("db", func(in *api.StopDBInstanceInput) *string { return in.DBInstanceIdentifier }), s.stopDBInstance),
		op.Change(api.StartDBInstance, on("db", func(in *api.StartDBInstanceInput) *string { return in.DBInstanceIdentifier }), s.startDBInstance),
		op.Change(api.DeleteDBInstance, on("db", func(in *api.DeleteDBInstanceInput) *string { return in.DBInstanceIdentifier }), s.deleteDBInstance),

		op.Change(api.CreateDBSubnetGroup, on("subgrp", func(in *api.CreateDBSubnetGroupInput) *string { return in.DBSubnetGroupName }), s.createDBSubnetGroup),
		op.Read(api.DescribeDBSubnetGroups, on("subgrp", func(in *api.DescribeDBSubnetGroupsInput) *string { return in.DBSubnetGroupName }), s.describeDBSubnetGroups),
		op.Change(api.ModifyDBSubnetGroup, on("subgrp", func(in *api.ModifyDBSubnetGroupInput) *string { return in.DBSubnetGroupName }), s.modifyDBSubnetGroup),
		op.Change(api.DeleteDBSubnetGroup, on("subgrp", func(in *api.DeleteDBSubnetGroupInput) *string { return in.DBSubnetGroupName }), s.deleteDBSubnetGroup),

		op.Change(api.AddTagsToResource, on("", func(in *api.AddTagsToResourceInput) *string { return in.ResourceName }), s.addTagsToResource),
		op.Change(api.RemoveTagsFromResource, on("", func(in *api.RemoveTagsFromResourceInput) *string { return in.ResourceName }), s.removeTagsFromResource),
		op.Read(api.ListTagsForResource, on("", func(in *api.ListTagsForResourceInput) *string { return in.ResourceName }), s.listTagsForResource),

		op.Read(api.DescribeDBEngineVersions, nil, s.describeDBEngineVersions),
		op.Read(api.DescribeOrderableDBInstanceOptions, nil, s.describeOrderableDBInstanceOptions),
		op.Read(api.DescribeDBParameterGroups, on("pg", func(in *api.DescribeDBParameterGroupsInput) *string { return in.DBParameterGroupName }), s.describeDBParameterGroups),
		op.Read(api.DescribeDBClusters, on("cluster", func(in *api.DescribeDBClustersInput) *string { return in.DBClusterIdentifier }), s.describeDBClusters),
		op.Read(api.DescribeDBSnapshots, on("snapshot", func(in *api.DescribeDBSnapshotsInput) *string { return in.DBSnapshotIdentifier }), s.describeDBSnapshots),
	}
}

// on names the resource of a request to the policies.
func on[I any](kind string, id func(*I) *string) func(op.Caller, *I) []string {
	return func(c op.Caller, in *I) []string { return []string{resource(c, kind, id(in))} }
}
