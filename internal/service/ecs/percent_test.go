package ecs

import "testing"

func TestBoundsRoundAsAWSDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ desired, min, max, lower, upper int }{
		{4, 50, 200, 2, 8},
		{2, 75, 200, 2, 4},  // nothing may be stopped first
		{3, 100, 125, 3, 3}, // nothing may be started first
		{1, 0, 100, 0, 1},
		{1, 100, 100, 1, 1},
		{2, 100, 200, 2, 4},
		{0, 100, 200, 0, 0},
		{10, 33, 150, 4, 15},
		{7, 99, 101, 7, 7},
	} {
		lower, upper := Bounds(c.desired, c.min, c.max)
		if lower != c.lower || upper != c.upper {
			t.Errorf("Bounds(%d, %d, %d) = %d, %d; want %d, %d", c.desired, c.min, c.max, lower, upper, c.lower, c.upper)
		}
	}
}

func TestThresholdIsHalfWithinItsBounds(t *testing.T) {
	t.Parallel()
	for desired, want := range map[int]int{1: 3, 2: 3, 6: 3, 7: 4, 25: 13, 400: 200, 800: 200} {
		if got := Threshold(desired); got != want {
			t.Errorf("Threshold(%d) = %d, want %d", desired, got, want)
		}
	}
}
