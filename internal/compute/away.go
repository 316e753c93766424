package compute

import "errors"

// Away is the error of a back end that does not answer. It says nothing of a pod or
// an image: whoever asked asks again.
type Away struct{ Err error }

func (a *Away) Error() string { return a.Err.Error() }

// Unwrap gives the cause.
func (a *Away) Unwrap() error { return a.Err }

// Passes tells the engine that tries of an effect do not count meanwhile.
func (a *Away) Passes() {}

// IsAway tells whether err says that the back end does not answer.
func IsAway(err error) bool {
	_, is := errors.AsType[*Away](err)
	return is
}
