package rds

import (
	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/op"
)

// hostedZone is the Route 53 zone that AWS names for RDS endpoints in us-east-1.
const hostedZone = "Z2R2ITUGPM61AM"

// api is the instance as AWS shows it. The endpoint is told once it serves.
func (i *Instance) api(g SubnetGroup) *api.DBInstance {
	w := i.Shown
	out := &api.DBInstance{
		DBInstanceIdentifier: new(i.ID), DBInstanceClass: new(i.Class), Engine: new("postgres"), DBInstanceStatus: new(i.Status),
		MasterUsername: new(i.Username), DBName: op.Opt(i.DBName), AllocatedStorage: new(int32(i.Storage)), InstanceCreateTime: op.At(i.Created),
		PreferredBackupWindow: new(w.BackupWindow), BackupRetentionPeriod: new(int32(w.BackupRetention)), DBSecurityGroups: []api.DBSecurityGroupMembership{},
		DBParameterGroups: []api.DBParameterGroupStatus{{DBParameterGroupName: new(parameters), ParameterApplyStatus: new("in-sync")}},
		AvailabilityZone:  op.Opt(i.Zone), DBSubnetGroup: g.api(), PreferredMaintenanceWindow: new(w.MaintenanceWindow),
		PendingModifiedValues: &api.PendingModifiedValues{}, MultiAZ: new(w.MultiAZ), EngineVersion: new(i.Version), AutoMinorVersionUpgrade: new(w.AutoMinor),
		ReadReplicaDBInstanceIdentifiers: []string{}, LicenseModel: new("postgresql-license"), Iops: op.Opt(int32(w.IOPS)), StorageThroughput: op.Opt(int32(w.Throughput)),
		OptionGroupMemberships: []api.OptionGroupMembership{{OptionGroupName: new(options), Status: new("in-sync")}},
		PubliclyAccessible:     new(w.Public), StorageType: new(w.StorageType), DbInstancePort: new(int32(0)), StorageEncrypted: new(w.Encrypted), KmsKeyId: op.Opt(w.KMSKey),
		DbiResourceId: new(i.ResourceID), CACertificateIdentifier: new(w.CA), DomainMemberships: []api.DomainMembership{}, CopyTagsToSnapshot: new(w.CopiesTags),
		MonitoringInterval: new(int32(w.MonitoringInterval)), MonitoringRoleArn: op.Opt(w.MonitoringRole), DBInstanceArn: new(i.ARN()),
		IAMDatabaseAuthenticationEnabled: new(w.IAMAuthentication), DatabaseInsightsMode: new(w.InsightsMode), PerformanceInsightsEnabled: new(w.Insights),
		EnabledCloudwatchLogsExports: w.Logs, DeletionProtection: new(i.Protected), AssociatedRoles: []api.DBInstanceRole{}, MaxAllocatedStorage: op.Opt(int32(w.MaxStorage)),
		TagList: apiTags(i.Tags), CustomerOwnedIpEnabled: new(false), NetworkType: new("IPV4"), BackupTarget: new("region"), ActivityStreamStatus: new("stopped"),
		MultiTenant: new(false), DedicatedLogVolume: new(false), IsStorageConfigUpgradeAvailable: new(false), EngineLifecycleSupport: new("open-source-rds-extended-support"),
	}
	for _, id := range i.Groups {
		out.VpcSecurityGroups = append(out.VpcSecurityGroups, api.VpcSecurityGroupMembership{VpcSecurityGroupId: new(id), Status: new("active")})
	}
	if !i.Created.IsZero() {
		out.Endpoint = &api.Endpoint{Address: new(i.host()), Port: new(int32(i.Port)), HostedZoneId: new(hostedZone)}
	}
	if i.Secret != "" {
		out.MasterUserSecret = &api.MasterUserSecret{SecretArn: new(i.Secret), SecretStatus: new("active")}
	}
	if i.Reason != "" && (i.Status == stateFailed || i.Status == incompatible) {
		out.StatusInfos = []api.DBInstanceStatusInfo{{StatusType: new("instance"), Normal: new(false), Status: new("error"), Message: new(i.Reason)}}
	}
	return out
}

func (g SubnetGroup) api() *api.DBSubnetGroup {
	out := &api.DBSubnetGroup{
		DBSubnetGroupName: new(g.Name), DBSubnetGroupDescription: new(g.Description), VpcId: new(g.VPC), SubnetGroupStatus: new("Complete"),
		DBSubnetGroupArn: new(g.ARN()), SupportedNetworkTypes: []string{"IPV4"},
	}
	for _, s := range g.Subnets {
		out.Subnets = append(out.Subnets, api.Subnet{
			SubnetIdentifier: new(s.ID), SubnetAvailabilityZone: &api.AvailabilityZone{Name: new(s.Zone)}, SubnetOutpost: &api.Outpost{}, SubnetStatus: new("Active"),
		})
	}
	return out
}
