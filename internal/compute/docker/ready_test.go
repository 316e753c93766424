package docker

import (
	"slices"
	"testing"
)

func TestAReadyPodIsGivenOnce(t *testing.T) {
	t.Parallel()
	p := pool{given: map[string]bool{}, restock: make(chan struct{}, 1)}
	both := []string{"a", "b"}
	if have, surplus := p.count(both, nil, 2); have != 2 || surplus != nil {
		t.Fatalf("of two, %d are there and %v may go", have, surplus)
	}
	taken, _ := p.take()
	// The Engine lists it under its ready name until the renaming is done.
	if have, surplus := p.count(both, nil, 2); have != 1 || surplus != nil {
		t.Errorf("while %s is given, %d of %v are there and %v may go", taken, have, both, surplus)
	}
	if next, _ := p.take(); next == taken {
		t.Errorf("%s was given twice", taken)
	}
	if _, surplus := p.count([]string{"c", "d"}, []string{"e"}, 1); !slices.Equal(surplus, []string{"d", "e"}) {
		t.Errorf("%v may go, not the second one and the dead one", surplus)
	}
}
