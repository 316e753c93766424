package rds

import (
	"context"

	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const family = "postgres15"

func (s *Service) describeDBEngineVersions(_ context.Context, _ store.Reader, _ op.Caller, in *api.DescribeDBEngineVersionsInput) (*api.DescribeDBEngineVersionsOutput, error) {
	out := &api.DescribeDBEngineVersionsOutput{DBEngineVersions: []api.DBEngineVersion{}}
	if op.Or(in.Engine, "postgres") != "postgres" || !offers(in.EngineVersion) || op.Or(in.DBParameterGroupFamily, family) != family {
		return out, nil
	}
	out.DBEngineVersions = append(out.DBEngineVersions, api.DBEngineVersion{
		Engine: new("postgres"), EngineVersion: new(newestVersion), MajorEngineVersion: new("15"), DBParameterGroupFamily: new(family),
		DBEngineDescription: new("PostgreSQL"), DBEngineVersionDescription: new("PostgreSQL " + newestVersion), Status: new("available"),
		ValidUpgradeTarget: []api.UpgradeTarget{}, ExportableLogTypes: []string{"postgresql", "upgrade"},
		SupportsReadReplica: new(false), SupportsLogExportsToCloudwatchLogs: new(false), SupportsGlobalDatabases: new(false), SupportsParallelQuery: new(false),
	})
	return out, nil
}

// offers tells whether an asked version is the image's.
func offers(version *string) bool {
	v := op.Val(version)
	return v == "" || v == "15" || v == newestVersion
}

// classes are the sizes that are told of; any other of AWS's is taken as well, as
// none bounds the server.
var classes = []string{"db.t3.micro", "db.t3.small", "db.t3.medium", "db.t4g.micro", "db.t4g.small", "db.t4g.medium", "db.m5.large", "db.m6g.large", "db.r5.large", "db.r6g.large"}

func (s *Service) describeOrderableDBInstanceOptions(_ context.Context, _ store.Reader, c op.Caller, in *api.DescribeOrderableDBInstanceOptionsInput) (*api.DescribeOrderableDBInstanceOptionsOutput, error) {
	out := &api.DescribeOrderableDBInstanceOptionsOutput{OrderableDBInstanceOptions: []api.OrderableDBInstanceOption{}}
	if *in.Engine != "postgres" || !offers(in.EngineVersion) {
		return out, nil
	}
	for _, class := range classes {
		if op.Or(in.DBInstanceClass, class) != class {
			continue
		}
		out.OrderableDBInstanceOptions = append(out.OrderableDBInstanceOptions, api.OrderableDBInstanceOption{
			Engine: new("postgres"), EngineVersion: new(newestVersion), DBInstanceClass: new(class), LicenseModel: new("postgresql-license"),
			AvailabilityZones: []api.AvailabilityZone{{Name: new(c.Region + "a")}, {Name: new(c.Region + "b")}, {Name: new(c.Region + "c")}},
			Vpc:               new(true), StorageType: new("gp3"), MultiAZCapable: new(true), ReadReplicaCapable: new(false), SupportsStorageEncryption: new(true),
			SupportsIops: new(true), MinStorageSize: new(int32(minStorage)), MaxStorageSize: new(int32(maxStorage)), SupportedNetworkTypes: []string{"IPV4"},
			SupportedEngineModes: []string{"provisioned"}, SupportsClusters: new(false),
		})
	}
	return out, nil
}

func (s *Service) describeDBParameterGroups(_ context.Context, _ store.Reader, c op.Caller, in *api.DescribeDBParameterGroupsInput) (*api.DescribeDBParameterGroupsOutput, error) {
	if g := op.Or(in.DBParameterGroupName, parameters); g != parameters {
		return nil, api.DBParameterGroupNotFoundFault("DBParameterGroup not found: %s", g)
	}
	return &api.DescribeDBParameterGroupsOutput{DBParameterGroups: []api.DBParameterGroup{{
		DBParameterGroupName: new(parameters), DBParameterGroupFamily: new(family), Description: new("Default parameter group for " + family),
		DBParameterGroupArn: new(arn.New("rds", c.Region, c.Account, "pg:"+parameters)),
	}}}, nil
}

// There are no clusters and no snapshots: one that is named is not found.
func (s *Service) describeDBClusters(_ context.Context, _ store.Reader, _ op.Caller, in *api.DescribeDBClustersInput) (*api.DescribeDBClustersOutput, error) {
	if id := op.Val(in.DBClusterIdentifier); id != "" {
		return nil, api.DBClusterNotFoundFault("DBCluster %s not found.", id)
	}
	return &api.DescribeDBClustersOutput{DBClusters: []api.DBCluster{}}, nil
}

func (s *Service) describeDBSnapshots(_ context.Context, _ store.Reader, _ op.Caller, in *api.DescribeDBSnapshotsInput) (*api.DescribeDBSnapshotsOutput, error) {
	if id := op.Val(in.DBSnapshotIdentifier); id != "" {
		return nil, api.DBSnapshotNotFoundFault("DBSnapshot %s not found.", id)
	}
	return &api.DescribeDBSnapshotsOutput{DBSnapshots: []api.DBSnapshot{}}, nil
}
