package bench

import (
	"math"
	"slices"
)

// samples are what was measured, in one unit.
type samples []float64

// rank is the nearest-rank percentile: the least sample that p of 100 do not exceed;
// of rates the greatest that p of 100 reach.
func (s samples) rank(p float64, isRate bool) float64 {
	sorted := slices.Sorted(slices.Values(s))
	if isRate {
		slices.Reverse(sorted)
	}
	return sorted[max(int(math.Ceil(p/100*float64(len(sorted)))), 1)-1]
}
