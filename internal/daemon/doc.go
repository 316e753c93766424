// Package daemon runs a penstock serve as a process of its own, for those who need a
// whole server to speak to: the demo, the bench and the end-to-end tests. It can be
// killed and started again on the same data.
package daemon
