package ec2

import (
	"slices"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func TestNATGatewayMovesForwardOnly(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	events := []string{natCreated, natRemoved, natObeyed, natOld}
	next := map[string][]string{
		natPending: {natPending, natAvailable}, natAvailable: {natAvailable}, natFailed: {natFailed},
		natDeleting: {natDeleting, natDeleted}, natDeleted: {natDeleted},
	}
	for state, allowed := range next {
		for _, e := range events {
			turn, err := stepNAT(NatGateway{State: state}, engine.Event{Name: e, At: at})
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, s := range allowed {
				found = found || s == turn.Next.State
			}
			if !found {
				t.Errorf("%s leads from %s to %s", e, state, turn.Next.State)
			}
		}
	}
}

func TestNATGatewayIsShownForAnHourAfterItsEnd(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	turn, err := stepNAT(NatGateway{State: natDeleting}, engine.Event{Name: natObeyed, At: at})
	if err != nil || turn.Next.State != natDeleted || !turn.Next.DeletedAt.Equal(at) || len(turn.Effects) != 1 || !turn.Effects[0].Due.Equal(at.Add(time.Hour)) {
		t.Errorf("turn %+v, %v", turn, err)
	}
}

func TestWildcardsOfFilters(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "anything", true}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"*demo*", "the-demo-vpc", true},
		{"demo", "demos", false}, {`a\*c`, "a*c", true}, {`a\*c`, "abc", false}, {`\`, `\`, true},
	} {
		if got := wild(tc.pattern, tc.s); got != tc.want {
			t.Errorf("%q matches %q: %t", tc.pattern, tc.s, got)
		}
	}
}

func TestZoneIDs(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{"us-east-1a": "use1-az1", "ap-southeast-2c": "apse2-az3", "eu-central-1b": "euc1-az2", "ap-northeast-1a": "apne1-az1"} {
		if got := zoneID(zone); got != want {
			t.Errorf("%s is %s, not %s", zone, got, want)
		}
	}
}

func TestPoliciesAreAskedAboutWhatIsNamedAndMade(t *testing.T) {
	t.Parallel()
	c := op.Caller{Scope: store.Scope{Account: "100000000001", Region: "us-east-1"}}
	got := resources(c, "CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: new("subnet-1"), Groups: []string{"sg-1"}})
	want := []string{"arn:aws:ec2:us-east-1:100000000001:network-interface/*", "arn:aws:ec2:us-east-1:100000000001:subnet/subnet-1", "arn:aws:ec2:us-east-1:100000000001:security-group/sg-1"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	if got := resources(c, "DisassociateRouteTable", &api.DisassociateRouteTableInput{AssociationId: new("rtbassoc-1")}); len(got) > 0 {
		t.Errorf("%v instead of everything", got)
	}
}

func FuzzPorts(f *testing.F) {
	f.Add("tcp", int32(80), int32(443))
	f.Add("-1", int32(-1), int32(-1))
	f.Add("icmp", int32(8), int32(-1))
	f.Add("47", int32(0), int32(0))
	f.Fuzz(func(t *testing.T, protocol string, from, to int32) {
		name, a, b, err := ports(&protocol, &from, &to)
		if err != nil {
			return
		}
		again, x, y, err := ports(&name, new(int32(a)), new(int32(b)))
		if err != nil || again != name || x != a || y != b {
			t.Errorf("%s %d-%d becomes %s %d-%d and then %s %d-%d (%v)", protocol, from, to, name, a, b, again, x, y, err)
		}
	})
}

func FuzzFilters(f *testing.F) {
	f.Add("na*e", "name")
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if len(pattern) > 12 || len(value) > 24 {
			return // wildcards are tried one by one
		}
		_ = matches([]api.Filter{{Name: new("tag:k"), Values: []string{pattern}}}, facets{}.with(map[string]string{"k": value}))
	})
}
