package ec2_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	api "github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest/postgrestest"
)

// TestOverlappingSubnetsDoNotBothPass: calls that overlap in time and in range, on
// two servers of one PostgreSQL; one of each round is answered, the others are refused.
func TestOverlappingSubnetsDoNotBothPass(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.Need(t).New(t)
	var servers []cloud
	for range 2 {
		tables, up := prepare()
		db, err := store.Open(t.Context(), store.Options{DSN: dsn})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if err := db.Migrate(t.Context(), tables...); err != nil {
			t.Fatal(err)
		}
		servers = append(servers, up(t, dispatchtest.On(t, db)))
	}
	vpc := call(servers[0], api.CreateVpc, api.CreateVpcInput{CidrBlock: new("10.10.0.0/16")}).Vpc.VpcId
	const rounds, callers = 10, 6
	for round := range rounds {
		var together sync.WaitGroup
		begin, answers := make(chan struct{}), make(chan error, callers)
		for i := range callers {
			c := servers[i%len(servers)]
			// Each range holds the one before it.
			in := &api.CreateSubnetInput{VpcId: vpc, CidrBlock: new(fmt.Sprintf("10.10.%d.0/%d", 16*round, 28-i))}
			together.Go(func() {
				<-begin
				_, err := op.Call(t.Context(), c, c.Root(), api.CreateSubnet, in)
				answers <- err
			})
		}
		close(begin)
		together.Wait()
		close(answers)
		passed := 0
		for err := range answers {
			var refused *op.Error
			switch {
			case err == nil:
				passed++
			case !errors.As(err, &refused) || refused.Code != "InvalidSubnet.Conflict":
				t.Errorf("round %d: %v", round, err)
			}
		}
		if passed != 1 {
			t.Errorf("round %d: %d overlapping subnets were made", round, passed)
		}
	}
}
