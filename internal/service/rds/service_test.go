package rds

import (
	"os"
	"slices"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/compute/fake"
)

func fakeWorld(t *testing.T) (*world, *quiet) {
	t.Helper()
	pods := &quiet{Backend: fake.New(clock.System{}, nil)}
	return newWorld(t, pods, t.TempDir()), pods
}

func TestAnInstanceIsMadeServesAndIsRemoved(t *testing.T) {
	t.Parallel()
	w, _ := fakeWorld(t)
	w.subnetGroup()
	made := call(w, api.CreateDBInstance, order("Core-App")).DBInstance
	if *made.DBInstanceStatus != creating || made.Endpoint != nil || *made.DBInstanceIdentifier != "core-app" || *made.DBSubnetGroup.VpcId != "vpc-1" {
		t.Errorf("%+v", made)
	}
	refused(w, api.CreateDBInstance, order("core-app"), "DBInstanceAlreadyExists")
	i := w.await("core-app", is(available))
	shown := call(w, api.DescribeDBInstances, &api.DescribeDBInstancesInput{DBInstanceIdentifier: new("core-app")}).DBInstances[0]
	if *shown.Endpoint.Port != 5432 || !strings.HasPrefix(*shown.Endpoint.Address, "core-app."+i.Suffix+".us-east-1.rds.") || *shown.TagList[0].Key != "team" {
		t.Errorf("%+v", shown)
	}
	if got := w.resolves(*shown.Endpoint.Address); len(got) != 1 || got[0].String() != "10.0.9.9" {
		t.Errorf("the endpoint leads to %v", got)
	}
	refused(w, api.DeleteDBSubnetGroup, &api.DeleteDBSubnetGroupInput{DBSubnetGroupName: new("main")}, "InvalidDBSubnetGroupStateFault")
	refused(w, api.DeleteDBInstance, &api.DeleteDBInstanceInput{DBInstanceIdentifier: new("core-app")}, "InvalidParameterCombination")
	call(w, api.DeleteDBInstance, &api.DeleteDBInstanceInput{DBInstanceIdentifier: new("core-app"), SkipFinalSnapshot: new(true)})
	w.await("core-app", func(i Instance) bool { return i.ID == "" })
	refused(w, api.DescribeDBInstances, &api.DescribeDBInstancesInput{DBInstanceIdentifier: new("core-app")}, "DBInstanceNotFound")
	pods, err := w.Pods.List(t.Context())
	left, _ := os.ReadDir(w.Data + "/rds")
	if len(pods) > 0 || err != nil || len(w.interfaces) > 0 || len(left) > 0 || w.resolves(*shown.Endpoint.Address) != nil {
		t.Errorf("left: %v %v %v %v", pods, w.interfaces, left, err)
	}
	call(w, api.DeleteDBSubnetGroup, &api.DeleteDBSubnetGroupInput{DBSubnetGroupName: new("main")})

	// The same identifier again is another instance.
	w.subnetGroup()
	call(w, api.CreateDBInstance, order("core-app"))
	if again := w.await("core-app", is(available)); again.ResourceID == i.ResourceID || again.Interface == i.Interface {
		t.Errorf("%+v", again)
	}
}

func TestChangesReachInterfaceAndServer(t *testing.T) {
	t.Parallel()
	w, pods := fakeWorld(t)
	w.subnetGroup()
	call(w, api.CreateDBInstance, order("db"))
	before := w.await("db", is(available))
	out := call(w, api.ModifyDBInstance, &api.ModifyDBInstanceInput{
		DBInstanceIdentifier: new("db"), MasterUserPassword: new("battery-staple"), VpcSecurityGroupIds: []string{"sg-2"}, AllocatedStorage: new(int32(40)),
		DeletionProtection: new(true), DBInstanceClass: new("db.t3.small"),
	}).DBInstance
	if *out.DBInstanceStatus != modifying || *out.AllocatedStorage != 40 {
		t.Errorf("%+v", out)
	}
	i := w.await("db", is(available))
	if i.Verifier == before.Verifier || !slices.Equal(w.interfaces[i.Interface], []string{"sg-2"}) {
		t.Errorf("%+v %v", i, w.interfaces)
	}
	last := strings.Join(pods.commands[len(pods.commands)-1], " ")
	if !strings.Contains(last, `ALTER ROLE "app" PASSWORD 'SCRAM-SHA-256$`) || strings.Contains(last, "staple") {
		t.Errorf("command %s", last)
	}
	refused(w, api.DeleteDBInstance, &api.DeleteDBInstanceInput{DBInstanceIdentifier: new("db"), SkipFinalSnapshot: new(true)}, "InvalidParameterCombination")
	call(w, api.StopDBInstance, &api.StopDBInstanceInput{DBInstanceIdentifier: new("db")})
	w.await("db", is(stopped))
	refused(w, api.RebootDBInstance, &api.RebootDBInstanceInput{DBInstanceIdentifier: new("db")}, "InvalidDBInstanceState")
	call(w, api.StartDBInstance, &api.StartDBInstanceInput{DBInstanceIdentifier: new("db")})
	w.await("db", is(available))
	call(w, api.RebootDBInstance, &api.RebootDBInstanceInput{DBInstanceIdentifier: new("db")})
	if i = w.await("db", is(available)); i.Attempt != 3 || i.Interface != before.Interface {
		t.Errorf("%+v", i)
	}
}

func TestAManagedPasswordLiesInSecretsManager(t *testing.T) {
	t.Parallel()
	w, _ := fakeWorld(t)
	in := order("db")
	in.MasterUserPassword, in.ManageMasterUserPassword, in.DBSubnetGroupName = nil, new(true), nil
	call(w, api.CreateDBInstance, in)
	i := w.await("db", is(available))
	if i.Verifier == "" || !strings.Contains(i.Secret, "secret:rds!db-") || !strings.Contains(w.secret, `"username":"app"`) || i.SubnetGroup != "default" {
		t.Errorf("%+v", i)
	}
	call(w, api.DeleteDBInstance, &api.DeleteDBInstanceInput{DBInstanceIdentifier: new("db"), SkipFinalSnapshot: new(true)})
	w.await("db", func(i Instance) bool { return i.ID == "" })
	if w.secret != "" {
		t.Error("the secret is left")
	}
}

func TestAContainerThatIsGoneIsMadeAgain(t *testing.T) {
	t.Parallel()
	w, pods := fakeWorld(t)
	w.subnetGroup()
	call(w, api.CreateDBInstance, order("db"))
	i := w.await("db", is(available))
	w.stop()
	if err := pods.Remove(t.Context(), i.pod()); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.await("db", func(i Instance) bool { return i.Status == available && i.Attempt == 2 })
	needed, mine, err := w.Owns(t.Context(), i.owner())
	if _, other, _ := w.Owns(t.Context(), "codebuild.build/1/r/x"); !needed || !mine || err != nil || other {
		t.Errorf("%v %v %v %v", needed, mine, other, err)
	}
}

func TestOrdersAreChecked(t *testing.T) {
	t.Parallel()
	w, _ := fakeWorld(t)
	w.subnetGroup()
	for code, change := range map[string][]func(*api.CreateDBInstanceInput){
		"InvalidParameterValue": {
			func(in *api.CreateDBInstanceInput) { in.Engine = new("mysql") },
			func(in *api.CreateDBInstanceInput) { in.DBInstanceIdentifier = new("1a") },
			func(in *api.CreateDBInstanceInput) { in.DBInstanceIdentifier = new("a--b") },
			func(in *api.CreateDBInstanceInput) { in.MasterUserPassword = new("short") },
			func(in *api.CreateDBInstanceInput) { in.MasterUserPassword = new("with/slash") },
			func(in *api.CreateDBInstanceInput) { in.MasterUsername = new("rdsadmin") },
			func(in *api.CreateDBInstanceInput) { in.MasterUsername = new(`a"b`) },
			func(in *api.CreateDBInstanceInput) { in.AllocatedStorage = new(int32(5)) },
			func(in *api.CreateDBInstanceInput) { in.DBName = new("template1") },
		},
		"InvalidParameterCombination": {
			func(in *api.CreateDBInstanceInput) { in.EngineVersion = new("16.1") },
			func(in *api.CreateDBInstanceInput) { in.ManageMasterUserPassword = new(true) },
		},
		"DBSubnetGroupNotFoundFault": {func(in *api.CreateDBInstanceInput) { in.DBSubnetGroupName = new("none") }},
		"DBParameterGroupNotFound":   {func(in *api.CreateDBInstanceInput) { in.DBParameterGroupName = new("mine") }},
	} {
		for _, f := range change {
			in := order("db")
			f(in)
			refused(w, api.CreateDBInstance, in, code)
		}
	}
	refused(w, api.CreateDBSubnetGroup, &api.CreateDBSubnetGroupInput{DBSubnetGroupName: new("one"), DBSubnetGroupDescription: new("d"), SubnetIds: []string{"subnet-a", "subnet-a2"}}, "DBSubnetGroupDoesNotCoverEnoughAZs")
	refused(w, api.CreateDBSubnetGroup, &api.CreateDBSubnetGroupInput{DBSubnetGroupName: new("MAIN"), DBSubnetGroupDescription: new("d"), SubnetIds: []string{"subnet-a", "subnet-b"}}, "DBSubnetGroupAlreadyExists")
	refused(w, api.CreateDBSubnetGroup, &api.CreateDBSubnetGroupInput{DBSubnetGroupName: new("x"), DBSubnetGroupDescription: new("d"), SubnetIds: []string{"subnet-z"}}, "InvalidSubnet")
}

func TestReads(t *testing.T) {
	t.Parallel()
	w, _ := fakeWorld(t)
	w.subnetGroup()
	for _, id := range []string{"a", "b"} {
		call(w, api.CreateDBInstance, order(id))
	}
	filtered := call(w, api.DescribeDBInstances, &api.DescribeDBInstancesInput{Filters: []api.Filter{{Name: new("db-instance-id"), Values: []string{"b"}}}})
	if len(filtered.DBInstances) != 1 || *filtered.DBInstances[0].DBInstanceIdentifier != "b" {
		t.Errorf("%+v", filtered)
	}
	refused(w, api.DescribeDBInstances, &api.DescribeDBInstancesInput{Filters: []api.Filter{{Name: new("colour"), Values: []string{"b"}}}}, "InvalidParameterValue")
	name := filtered.DBInstances[0].DBInstanceArn
	call(w, api.AddTagsToResource, &api.AddTagsToResourceInput{ResourceName: name, Tags: []api.Tag{{Key: new("k"), Value: new("v")}}})
	call(w, api.RemoveTagsFromResource, &api.RemoveTagsFromResourceInput{ResourceName: name, TagKeys: []string{"team"}})
	if tags := call(w, api.ListTagsForResource, &api.ListTagsForResourceInput{ResourceName: name}).TagList; len(tags) != 1 || *tags[0].Key != "k" {
		t.Errorf("%+v", tags)
	}
	if g := call(w, api.DescribeDBSubnetGroups, &api.DescribeDBSubnetGroupsInput{}).DBSubnetGroups; len(g) != 1 || len(g[0].Subnets) != 2 {
		t.Errorf("%+v", g)
	}
	if v := call(w, api.DescribeDBEngineVersions, &api.DescribeDBEngineVersionsInput{Engine: new("postgres")}).DBEngineVersions; len(v) != 1 {
		t.Errorf("%+v", v)
	}
	if o := call(w, api.DescribeOrderableDBInstanceOptions, &api.DescribeOrderableDBInstanceOptionsInput{Engine: new("postgres"), DBInstanceClass: new("db.t3.micro")}).OrderableDBInstanceOptions; len(o) != 1 {
		t.Errorf("%+v", o)
	}
	call(w, api.DescribeDBParameterGroups, &api.DescribeDBParameterGroupsInput{})
	call(w, api.DescribeDBClusters, &api.DescribeDBClustersInput{})
	call(w, api.DescribeDBSnapshots, &api.DescribeDBSnapshotsInput{})
}

func TestPagesAreNotShifted(t *testing.T) {
	t.Parallel()
	var all []string
	for c := range 50 {
		all = append(all, string(rune('A'+c)))
	}
	first, next, err := page(all, func(s string) string { return s }, nil, new(int32(20)))
	if err != nil || len(first) != 20 {
		t.Fatal(first, err)
	}
	rest, end, err := page(all[25:], func(s string) string { return s }, next, new(int32(100)))
	if err != nil || len(rest) != 25 || end != nil {
		t.Error(rest, end, err)
	}
	if _, _, err := page(all, func(s string) string { return s }, new("%"), nil); err == nil {
		t.Error("a bad marker is taken")
	}
	if _, _, err := page(all, func(s string) string { return s }, nil, new(int32(5))); !isCode(err, "InvalidParameterValue") {
		t.Error(err)
	}
}

func TestScramIsPostgreSQLsOwn(t *testing.T) {
	t.Parallel()
	// The example of RFC 7677, section 3: W22ZaJ0SNY7soEsUEjb6gQ== and "pencil".
	got, err := scram("pencil", []byte{0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81})
	const want = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if err != nil || got != want {
		t.Errorf("%s %v", got, err)
	}
}
