package dataplane

import (
	"context"
	"net/netip"
	"testing"
)

// replay is a plane that says what it is told to.
type replay [][]Report

func (replay) Apply(context.Context, Snapshot) error { return nil }

func (streams replay) Watch(_ context.Context, f func(Report)) error {
	for _, s := range streams {
		f(Report{Mark: Begin})
		for _, r := range s {
			f(r)
		}
		f(Report{Mark: End})
	}
	return nil
}

func TestATargetThatWentWhileNobodyListenedIsForgotten(t *testing.T) {
	t.Parallel()
	a, b := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:80")
	o := NewObserved()
	err := o.Run(t.Context(), replay{
		{{Pool: "p", Target: a, Health: Healthy}, {Pool: "p", Target: b, Health: Healthy}},
		{{Pool: "p", Target: b, Health: Healthy}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := o.Report("p", a); ok {
		t.Error("the target is still known")
	}
	if _, ok := o.Report("p", b); !ok {
		t.Error("the other target is not known")
	}
}
