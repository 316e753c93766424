package bench

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// Table writes rows for people.
func Table(out io.Writer, rows []Row) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tWHAT\tUNIT\tMEDIAN\tP95\tP99\tFLOOR\tRATIO\tGOAL\tMET")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.What, r.Unit,
			figure(r.Median), figure(r.P95), figure(r.P99), figure(r.Floor), figure(r.Ratio), r.aim(), r.verdict())
	}
	return w.Flush()
}

// figure keeps three digits, which is more than two runs agree on.
func figure(v float64) string {
	decimals := 2
	if v >= 10 {
		decimals = 1
	}
	if v >= 100 {
		decimals = 0
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

func (r Row) aim() string {
	if r.Goal == nil {
		return "-"
	}
	sign := "≤ "
	if r.isRate {
		sign = "≥ "
	}
	if r.Of != "median" {
		sign = r.Of + " " + sign
	}
	return sign + strconv.FormatFloat(*r.Goal, 'f', -1, 64)
}

func (r Row) verdict() string {
	switch {
	case r.Met == nil:
		return "-"
	case *r.Met:
		return "yes"
	}
	return "no"
}
