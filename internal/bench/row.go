package bench

import "math"

// promise is what a row measures, and what the design says of it.
type promise struct {
	name, what, unit string
	goal             float64 // 0: none
	isTail           bool    // goal, floor and ratio are of the 99th percentile, not of the median
	isRate           bool    // more is better
}

// promises are the rows, in the order in which they are shown.
func promises() []promise {
	return []promise{
		{name: "first-line", what: "StartBuild → first log line read", unit: "ms", goal: 200},
		{name: "build", what: "StartBuild → build of 3 commands complete", unit: "ms", goal: 300},
		{name: "next-action", what: "action done → next action's build started", unit: "ms", goal: 10},
		{name: "next-build", what: "build ended → next action's build started", unit: "ms"},
		{name: "internal-call", what: "call from service to service, as a role", unit: "µs", goal: 100},
		{name: "burst", what: "StartBuild, 1,000 of them, 100 at once", unit: "ms", goal: 250, isTail: true},
		{name: "secret", what: "GetSecretValue, signed and authorised", unit: "/s", isRate: true},
		{name: "change", what: "durable changes, 100 at once", unit: "/s", goal: 2000, isRate: true},
		{name: "ready", what: "process started → API answers", unit: "ms", goal: 150},
		{name: "memory", what: "RSS of both processes, idle", unit: "MB", goal: 90},
	}
}

// Names are those of all rows.
func Names() (names []string) {
	for _, p := range promises() {
		names = append(names, p.name)
	}
	return names
}

// Row is one line of the outcome. Of a rate, 95 (99) of 100 samples are at least
// P95 (P99); of everything else at most.
type Row struct {
	Name    string   `json:"name"`
	What    string   `json:"what"`
	Unit    string   `json:"unit"` // ms, µs, MB or /s
	Samples int      `json:"samples"`
	Median  float64  `json:"median"`
	P95     float64  `json:"p95"`
	P99     float64  `json:"p99"`
	Of      string   `json:"of"`    // what floor, ratio, goal and met are of: median or p99
	Floor   float64  `json:"floor"` // taken in the same run by the least that could do it
	Ratio   float64  `json:"ratio"` // ours to the floor's
	Goal    *float64 `json:"goal"`  // null: none is set
	Met     *bool    `json:"met"`

	isRate bool
}

// row judges samples beside those of the floor, both in the unit of the promise.
func row(name string, taken, floor samples) Row {
	var p promise
	for _, p = range promises() {
		if p.name == name {
			break
		}
	}
	r := Row{
		Name: p.name, What: p.what, Unit: p.unit, Samples: len(taken), Of: "median", isRate: p.isRate,
		Median: taken.rank(50, p.isRate), P95: taken.rank(95, p.isRate), P99: taken.rank(99, p.isRate),
	}
	ours := r.Median
	r.Floor = floor.rank(50, p.isRate)
	if p.isTail {
		r.Of, ours, r.Floor = "p99", r.P99, floor.rank(99, p.isRate)
	}
	r.Ratio = ours / r.Floor
	if p.goal != 0 {
		isMet := ours <= p.goal
		if p.isRate {
			isMet = ours >= p.goal
		}
		r.Goal, r.Met = &p.goal, &isMet
	}
	for _, figure := range []*float64{&r.Median, &r.P95, &r.P99, &r.Floor, &r.Ratio} {
		*figure = math.Round(*figure*1000) / 1000
	}
	return r
}
