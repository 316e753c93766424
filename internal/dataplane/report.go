package dataplane

import "net/netip"

// States of a target's health, in AWS's words.
const (
	Initial   = "initial"
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// Begin and End enclose the reports of all targets with which a stream starts.
const (
	Begin = "begin"
	End   = "end"
)

// Report is what the process saw of one target with snapshot Number in force. One
// with a Mark is of no target.
type Report struct {
	Mark        string `json:",omitzero"`
	Number      uint64
	Pool        string
	Target      netip.AddrPort
	Health      string
	Reason      string // AWS's code: Elb.InitialHealthChecking, Target.Timeout …
	Description string
	Drain       bool
	Open        int    // requests in flight, those of a process being replaced too: 0 ends a drain
	Total       uint64 // requests since the process started
	Gone        bool   // the target has left the snapshot
}
