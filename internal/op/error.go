package op

import (
	"net/http"
	"strings"
)

// Error is an error as AWS's clients know it. Anything else that a handler
// returns is an internal failure: the client sees only the request id, the log
// the cause. Constructors are generated: codebuild.ResourceNotFoundException("…").
type Error struct {
	Code    string // on the wire: "ResourceNotFoundException", "DBInstanceNotFound"
	Message string
	Status  int               // HTTP; 0 means 400
	Fields  map[string]string // further members of the error's shape (XML elements, JSON members)
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// HTTPStatus is Status, or 400 where none is set.
func (e *Error) HTTPStatus() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// IsServerFault tells whether the fault is the service's own (5xx).
func (e *Error) IsServerFault() bool { return e.Status >= http.StatusInternalServerError }

// IsTransient tells whether the same call may succeed later: a fault of the service's
// own, or a throttled call. AWS's SDKs repeat both by themselves.
func (e *Error) IsTransient() bool { return e.IsServerFault() || strings.Contains(e.Code, "Throttl") }
