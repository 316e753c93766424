package bench

import "testing"

func TestRankIsTheNearest(t *testing.T) {
	t.Parallel()
	hundred := make(samples, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i) // 1 … 100, unsorted
	}
	for name, tc := range map[string]struct {
		s      samples
		p      float64
		isRate bool
		want   float64
	}{
		"the median of an odd count is the one in the middle":      {samples{3, 1, 2}, 50, false, 2},
		"the median of an even count is the lower of the two":      {samples{4, 1, 3, 2}, 50, false, 2},
		"95 of 100 do not exceed the 95th":                         {hundred, 95, false, 95},
		"99 of 100 do not exceed the 99th":                         {hundred, 99, false, 99},
		"the 99th of a few is the greatest":                        {samples{5, 9, 7}, 99, false, 9},
		"one sample is every percentile":                           {samples{7}, 50, false, 7},
		"of a rate, 95 of 100 reach the 95th":                      {hundred, 95, true, 6},
		"of a rate, the 99th of a few is the least":                {samples{5, 9, 7}, 99, true, 5},
		"the median of a rate's even count is the greater of them": {samples{4, 1, 3, 2}, 50, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.s.rank(tc.p, tc.isRate); got != tc.want {
				t.Errorf("rank %v of %v: got %v, want %v", tc.p, tc.s, got, tc.want)
			}
		})
	}
}
