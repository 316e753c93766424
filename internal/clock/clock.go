// Package clock gives the time. Everything that needs an instant or a timer takes
// a Clock, so that simulations run in virtual time; time.Now is called here only.
package clock

import "time"

// Clock is a source of instants and timers.
type Clock interface {
	Now() time.Time
	// After fires once, d from now.
	After(d time.Duration) <-chan time.Time
}

// System is the machine's clock, in UTC and at the microsecond that both
// databases keep.
type System struct{}

// Now is the present instant.
func (System) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// After is time.After.
func (System) After(d time.Duration) <-chan time.Time { return time.After(d) }
