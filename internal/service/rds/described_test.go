package rds

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/fake"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
)

func TestTagsOfInstancesAndGroupsDecide(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &quiet{Backend: fake.New(clock.System{}, nil)}, t.TempDir())
	tags := []api.Tag{{Key: new("team"), Value: new("a")}}
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateDBSubnetGroup, &api.CreateDBSubnetGroupInput{
		DBSubnetGroupName: new("Main"), DBSubnetGroupDescription: new("d"), SubnetIds: []string{"subnet-a", "subnet-b"}, Tags: tags,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.CreateDBInstance, &api.CreateDBInstanceInput{
		DBInstanceIdentifier: new("App"), DBInstanceClass: new("db.t3.micro"), Engine: new("postgres"), AllocatedStorage: new(int32(20)),
		MasterUsername: new("app"), MasterUserPassword: new("correct-horse"), DBSubnetGroupName: new("Main"), Tags: tags,
	}); err != nil {
		t.Fatal(err)
	}
	e := dispatchtest.Enforce(t, w.aws.DB, New(Deps{}))
	instance := dispatchtest.Asking(t, e, api.DescribeDBInstances, &api.DescribeDBInstancesInput{DBInstanceIdentifier: new("App")})
	group := dispatchtest.Asking(t, e, api.DescribeDBSubnetGroups, &api.DescribeDBSubnetGroupsInput{DBSubnetGroupName: new("Main")})
	e.Decides(t, "aws:ResourceTag/team", "a", instance)
	e.Decides(t, "rds:db-tag/team", "a", instance)
	e.Decides(t, "aws:ResourceTag/team", "a", group)
	e.Decides(t, "rds:subgrp-tag/team", "a", group)
}
