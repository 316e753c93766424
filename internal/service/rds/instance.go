package rds

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"

	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Instance is a database server. What is wanted is written by handlers; what is
// (from Interface on) by the machine.
type Instance struct {
	store.Scope
	ID, ResourceID, Suffix string
	Version, Class         string
	Username, DBName       string
	Verifier               string // of the master password
	Managed                bool   // the password lies in Secrets Manager
	Port, Storage          int
	Groups                 []string
	SubnetGroup            string
	VPC, Subnet, Zone      string
	Protected              bool
	Shown                  Shown
	Tags                   map[string]string `json:",omitzero"`
	Changes                int               // of groups and password
	Attempt                int               // of the container that is wanted

	Status, Reason   string
	Created          time.Time // when it became available
	Secret           string    // ARN
	Interface        string
	Address          netip.Addr
	Published        bool
	Ready            bool   // the present container takes connections
	Started          int    // the attempt that was asked for last
	Failures         int    // starts in a row that came to nothing
	Applied          int    // of Changes
	Acting           string // the effect on container or interface that is under way
	Waiting, Removed bool
}

// Shown is what is stored and given back only.
type Shown struct {
	BackupRetention, MonitoringInterval    int
	BackupWindow, MaintenanceWindow        string
	StorageType, KMSKey                    string
	IOPS, Throughput, MaxStorage           int
	Encrypted, MultiAZ, Public, CopiesTags bool
	AutoMinor, IAMAuthentication           bool
	Insights                               bool
	InsightsMode, MonitoringRole, CA       string
	Logs                                   []string
}

// ARN names the instance.
func (i *Instance) ARN() string { return arn.New("rds", i.Region, i.Account, "db:"+i.ID) }

func (i *Instance) machine() engine.ID { return engine.ID{Scope: i.Scope, Kind: kindName, Key: i.ID} }
func (i *Instance) owner() string {
	return kindName + "/" + i.Account + "/" + i.Region + "/" + i.ID
}
func (i *Instance) pod() string {
	return fmt.Sprintf("rds-%s-%d", strings.ToLower(i.ResourceID), i.Attempt)
}
func (i *Instance) host() string {
	return i.ID + "." + i.Suffix + "." + i.Region + ".rds.amazonaws.com"
}
func (i *Instance) secretName() string { return "rds!db-" + ids.UUID(i.ResourceID) }

// database is the one made at first; PostgreSQL's own is always there.
func (i *Instance) database() string {
	if i.DBName == "" {
		return "postgres"
	}
	return i.DBName
}

// find gets an instance by identifier or ARN.
func (s *Service) find(ctx context.Context, r store.Reader, c op.Caller, id *string) (store.Doc[Instance], error) {
	key := strings.ToLower(op.Val(id))
	if a, ok := arn.Parse(op.Val(id)); ok {
		key = strings.TrimPrefix(a.Resource, "db:")
	}
	d, err := instances.Get(ctx, r, c.Scope, key)
	if errors.Is(err, store.ErrNotFound) {
		return d, api.DBInstanceNotFoundFault("DBInstance %s not found.", op.Val(id))
	}
	return d, err
}

func (s *Service) createDBInstance(ctx context.Context, tx store.Tx, c op.Caller, in *api.CreateDBInstanceInput) (*api.CreateDBInstanceOutput, error) {
	if err := checkCreate(in); err != nil {
		return nil, err
	}
	id := strings.ToLower(*in.DBInstanceIdentifier)
	if _, err := instances.Get(ctx, tx, c.Scope, id); !errors.Is(err, store.ErrNotFound) {
		if err == nil {
			err = api.DBInstanceAlreadyExistsFault("DB instance already exists")
		}
		return nil, err
	}
	g, err := s.placeGroup(ctx, tx, c, in.DBSubnetGroupName)
	if err != nil {
		return nil, err
	}
	i := wanted(in)
	i.Scope, i.ID, i.SubnetGroup, i.VPC = c.Scope, id, g.Name, g.VPC
	seed := c.Key
	i.ResourceID = "db-" + strings.ToUpper(ids.Lower(26, seed))
	// The same in all of an account's endpoints of a region, as on AWS.
	i.Suffix = ids.Lower(12, "rds "+c.Account+" "+c.Region)
	if i.Subnet, i.Zone, err = g.choose(i.ResourceID, op.Val(in.AvailabilityZone)); err != nil {
		return nil, err
	}
	if i.Groups, err = s.securityGroups(ctx, c, g.VPC, in.VpcSecurityGroupIds); err != nil {
		return nil, err
	}
	if !i.Managed {
		if i.Verifier, err = verifier(*in.MasterUserPassword); err != nil {
			return nil, err
		}
	}
	if i.Tags, err = tagged(nil, in.Tags); err != nil {
		return nil, err
	}
	if _, err := instances.Put(ctx, tx, c.Scope, id, i, 0); err != nil {
		return nil, err
	}
	out := i.api(g)
	return &api.CreateDBInstanceOutput{DBInstance: out}, s.send(ctx, tx, i, evCreated, 0)
}

// wanted is an instance as it was asked for, with AWS's defaults.
func wanted(in *api.CreateDBInstanceInput) Instance {
	storage := op.Or(in.StorageType, "gp3")
	if in.StorageType == nil && op.Val(in.Iops) > 0 {
		storage = "io1"
	}
	return Instance{
		Version: engineVersion(op.Val(in.EngineVersion)), Class: *in.DBInstanceClass,
		Username: *in.MasterUsername, DBName: op.Val(in.DBName), Managed: op.Val(in.ManageMasterUserPassword),
		Port: int(op.Or(in.Port, defaultPort)), Storage: int(op.Or(in.AllocatedStorage, minStorage)),
		Protected: op.Val(in.DeletionProtection), Status: creating, Attempt: 1,
		Shown: Shown{
			BackupRetention: int(op.Or(in.BackupRetentionPeriod, 1)), MonitoringInterval: int(op.Val(in.MonitoringInterval)),
			BackupWindow: op.Or(in.PreferredBackupWindow, "03:00-03:30"), MaintenanceWindow: strings.ToLower(op.Or(in.PreferredMaintenanceWindow, "sun:05:00-sun:05:30")),
			StorageType: storage, KMSKey: op.Val(in.KmsKeyId), IOPS: int(op.Val(in.Iops)), Throughput: int(op.Val(in.StorageThroughput)),
			MaxStorage: int(op.Val(in.MaxAllocatedStorage)), Encrypted: op.Val(in.StorageEncrypted), MultiAZ: op.Val(in.MultiAZ),
			Public: op.Val(in.PubliclyAccessible), CopiesTags: op.Val(in.CopyTagsToSnapshot), AutoMinor: op.Or(in.AutoMinorVersionUpgrade, true),
			IAMAuthentication: op.Val(in.EnableIAMDatabaseAuthentication), Insights: op.Val(in.EnablePerformanceInsights),
			InsightsMode: op.Or(in.DatabaseInsightsMode, "standard"), MonitoringRole: op.Val(in.MonitoringRoleArn),
			CA: op.Or(in.CACertificateIdentifier, "rds-ca-rsa2048-g1"), Logs: in.EnableCloudwatchLogsExports,
		},
	}
}

// choose spreads instances over a group's subnets, or takes the zone that is asked for.
func (g SubnetGroup) choose(seed, zone string) (subnet, in string, err error) {
	fit := slices.DeleteFunc(slices.Clone(g.Subnets), func(s Subnet) bool { return zone != "" && s.Zone != zone })
	if len(fit) == 0 {
		return "", "", api.InvalidVPCNetworkStateFault("The DB subnet group %s has no subnet in availability zone %s.", g.Name, zone)
	}
	h := fnv.New32a()
	h.Write([]byte(seed))
	s := fit[int(h.Sum32()%uint32(len(fit)))]
	return s.ID, s.Zone, nil
}
