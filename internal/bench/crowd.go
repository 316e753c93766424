package bench

import (
	"context"

	"github.com/penstock-ci/penstock/internal/demo"
)

// crowd is many callers with one key. The SDK keeps ten connections to a host for each
// set of clients, so there is a set for every ten: connecting is not what is measured.
type crowd []*demo.Clients

func newCrowd(ctx context.Context, env demo.Env, callers int) (crowd, error) {
	c := make(crowd, (callers+9)/10)
	for n := range c {
		var err error
		if c[n], err = demo.Connect(ctx, env); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c crowd) of(caller int) *demo.Clients { return c[caller%len(c)] }
