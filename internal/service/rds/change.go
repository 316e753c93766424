package rds

import (
	"context"
	"slices"
	"strings"

	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// inState finds an instance that must be in one state.
func (s *Service) inState(ctx context.Context, r store.Reader, c op.Caller, id *string, state, doing string) (store.Doc[Instance], error) {
	d, err := s.find(ctx, r, c, id)
	if err == nil && d.Value.Status != state {
		err = api.InvalidDBInstanceStateFault("Instance %s is not in %s state: it cannot be %s while it is %s.", d.Value.ID, state, doing, d.Value.Status)
	}
	return d, err
}

// move stores i and tells its machine.
func (s *Service) move(ctx context.Context, tx store.Tx, c op.Caller, i Instance, v store.Version, event string) (*api.DBInstance, error) {
	if _, err := instances.Put(ctx, tx, c.Scope, i.ID, i, v); err != nil {
		return nil, err
	}
	out, err := s.show(ctx, tx, c, i)
	if err != nil {
		return nil, err
	}
	// The versions of a document never repeat, so this names the event.
	return out, s.send(ctx, tx, i, event, int(v))
}

func (s *Service) rebootDBInstance(ctx context.Context, tx store.Tx, c op.Caller, in *api.RebootDBInstanceInput) (*api.RebootDBInstanceOutput, error) {
	d, err := s.inState(ctx, tx, c, in.DBInstanceIdentifier, available, "rebooted")
	if err != nil {
		return nil, err
	}
	d.Value.Status = rebooting
	out, err := s.move(ctx, tx, c, d.Value, d.Version, evRestart)
	return &api.RebootDBInstanceOutput{DBInstance: out}, err
}

func (s *Service) stopDBInstance(ctx context.Context, tx store.Tx, c op.Caller, in *api.StopDBInstanceInput) (*api.StopDBInstanceOutput, error) {
	if in.DBSnapshotIdentifier != nil {
		return nil, combination("Snapshots are not offered by this installation: leave DBSnapshotIdentifier out; the data stay as they are.")
	}
	d, err := s.inState(ctx, tx, c, in.DBInstanceIdentifier, available, "stopped")
	if err != nil {
		return nil, err
	}
	d.Value.Status = stopping
	out, err := s.move(ctx, tx, c, d.Value, d.Version, evStop)
	return &api.StopDBInstanceOutput{DBInstance: out}, err
}

func (s *Service) startDBInstance(ctx context.Context, tx store.Tx, c op.Caller, in *api.StartDBInstanceInput) (*api.StartDBInstanceOutput, error) {
	d, err := s.inState(ctx, tx, c, in.DBInstanceIdentifier, stopped, "started")
	if err != nil {
		return nil, err
	}
	d.Value.Status = starting
	out, err := s.move(ctx, tx, c, d.Value, d.Version, evStart)
	return &api.StartDBInstanceOutput{DBInstance: out}, err
}

func (s *Service) deleteDBInstance(ctx context.Context, tx store.Tx, c op.Caller, in *api.DeleteDBInstanceInput) (*api.DeleteDBInstanceOutput, error) {
	d, err := s.find(ctx, tx, c, in.DBInstanceIdentifier)
	if err != nil {
		return nil, err
	}
	switch {
	case d.Value.Status == deleting:
		return nil, api.InvalidDBInstanceStateFault("Instance %s is already being deleted.", d.Value.ID)
	case d.Value.Protected:
		return nil, combination("Cannot delete protected DB Instance, please disable deletion protection and try again.")
	case op.Val(in.SkipFinalSnapshot) && in.FinalDBSnapshotIdentifier != nil:
		return nil, combination("FinalDBSnapshotIdentifier can not be specified when deleting a DB Instance with SkipFinalSnapshot.")
	case !op.Val(in.SkipFinalSnapshot) && in.FinalDBSnapshotIdentifier == nil:
		return nil, combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
	case !op.Val(in.SkipFinalSnapshot):
		return nil, combination("Final snapshots are not offered by this installation: dump the database, then delete it with SkipFinalSnapshot.")
	}
	d.Value.Status = deleting
	out, err := s.move(ctx, tx, c, d.Value, d.Version, evDeleted)
	return &api.DeleteDBInstanceOutput{DBInstance: out}, err
}

func (s *Service) modifyDBInstance(ctx context.Context, tx store.Tx, c op.Caller, in *api.ModifyDBInstanceInput) (*api.ModifyDBInstanceOutput, error) {
	d, err := s.inState(ctx, tx, c, in.DBInstanceIdentifier, available, "modified")
	if err != nil {
		return nil, err
	}
	i := d.Value
	if err := checkModify(i, in); err != nil {
		return nil, err
	}
	i.modify(in)
	event := evModified
	if in.DBPortNumber != nil && int(*in.DBPortNumber) != i.Port {
		i.Port, i.Status, event = int(*in.DBPortNumber), rebooting, evRestart
	}
	if len(in.VpcSecurityGroupIds) > 0 {
		given, err := s.securityGroups(ctx, c, i.VPC, in.VpcSecurityGroupIds)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(given, i.Groups) {
			i.Groups = given
			i.changed()
		}
	}
	if in.MasterUserPassword != nil {
		if i.Verifier, err = verifier(*in.MasterUserPassword); err != nil {
			return nil, err
		}
		i.changed()
	}
	out, err := s.move(ctx, tx, c, i, d.Version, event)
	return &api.ModifyDBInstanceOutput{DBInstance: out}, err
}

// changed: something must reach the interface or the server.
func (i *Instance) changed() {
	i.Changes++
	if i.Status == available {
		i.Status = modifying
	}
}

func checkModify(i Instance, in *api.ModifyDBInstanceInput) error {
	for what, given := range map[string]bool{
		"NewDBInstanceIdentifier":  in.NewDBInstanceIdentifier != nil && !strings.EqualFold(*in.NewDBInstanceIdentifier, i.ID),
		"DBSubnetGroupName":        in.DBSubnetGroupName != nil && !strings.EqualFold(*in.DBSubnetGroupName, i.SubnetGroup),
		"DBSecurityGroups":         len(in.DBSecurityGroups) > 0,
		"Domain":                   in.Domain != nil || in.DomainFqdn != nil,
		"ManageMasterUserPassword": in.ManageMasterUserPassword != nil && *in.ManageMasterUserPassword != i.Managed,
		"RotateMasterUserPassword": op.Val(in.RotateMasterUserPassword),
		"MasterUserSecretKmsKeyId": in.MasterUserSecretKmsKeyId != nil,
		"Engine":                   in.Engine != nil && *in.Engine != "postgres",
		"AdditionalStorageVolumes": len(in.AdditionalStorageVolumes) > 0,
	} {
		if given {
			return combination("A change of %s is not offered by this installation: make a new DB instance.", what)
		}
	}
	if v := op.Val(in.EngineVersion); v != "" {
		if err := checkEngine("postgres", v); err != nil {
			return err
		}
	}
	if in.DBInstanceClass != nil {
		if err := checkClass(*in.DBInstanceClass); err != nil {
			return err
		}
	}
	if in.MasterUserPassword != nil {
		if i.Managed {
			return combination("You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled.")
		}
		if err := checkPassword(*in.MasterUserPassword); err != nil {
			return err
		}
	}
	size := op.Or(in.AllocatedStorage, int32(i.Storage))
	if int(size) < i.Storage {
		return combination("Requested storage size (%d) cannot be less than the current storage size (%d).", size, i.Storage)
	}
	if err := checkStorage(size, op.Or(in.StorageType, i.Shown.StorageType)); err != nil {
		return err
	}
	return checkSettings(in.DBPortNumber, in.BackupRetentionPeriod, in.DBParameterGroupName, in.OptionGroupName, in.PreferredBackupWindow)
}

// modify takes over what needs nothing to be done. Nothing here waits for a
// maintenance window, so ApplyImmediately makes no difference.
func (i *Instance) modify(in *api.ModifyDBInstanceInput) {
	set := func(to *int, from *int32) { *to = int(op.Or(from, int32(*to))) }
	keep := func(to *string, from *string) { *to = op.Or(from, *to) }
	turn := func(to *bool, from *bool) { *to = op.Or(from, *to) }
	keep(&i.Class, in.DBInstanceClass)
	set(&i.Storage, in.AllocatedStorage)
	turn(&i.Protected, in.DeletionProtection)
	if v := op.Val(in.EngineVersion); v != "" && v != "15" {
		i.Version = v
	}
	w := &i.Shown
	set(&w.BackupRetention, in.BackupRetentionPeriod)
	set(&w.MonitoringInterval, in.MonitoringInterval)
	set(&w.IOPS, in.Iops)
	set(&w.Throughput, in.StorageThroughput)
	set(&w.MaxStorage, in.MaxAllocatedStorage)
	keep(&w.BackupWindow, in.PreferredBackupWindow)
	keep(&w.MaintenanceWindow, in.PreferredMaintenanceWindow)
	w.MaintenanceWindow = strings.ToLower(w.MaintenanceWindow)
	keep(&w.StorageType, in.StorageType)
	keep(&w.InsightsMode, in.DatabaseInsightsMode)
	keep(&w.MonitoringRole, in.MonitoringRoleArn)
	keep(&w.CA, in.CACertificateIdentifier)
	turn(&w.MultiAZ, in.MultiAZ)
	turn(&w.Public, in.PubliclyAccessible)
	turn(&w.CopiesTags, in.CopyTagsToSnapshot)
	turn(&w.AutoMinor, in.AutoMinorVersionUpgrade)
	turn(&w.IAMAuthentication, in.EnableIAMDatabaseAuthentication)
	turn(&w.Insights, in.EnablePerformanceInsights)
	if l := in.CloudwatchLogsExportConfiguration; l != nil {
		w.Logs = slices.DeleteFunc(append(slices.Clone(w.Logs), l.EnableLogTypes...), func(t string) bool { return slices.Contains(l.DisableLogTypes, t) })
		slices.Sort(w.Logs)
		w.Logs = slices.Compact(w.Logs)
	}
}
