package dispatch

import (
	"net/http"
	"strings"

	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/op"
)

// form is how a service words what the framework refuses.
type form int

const (
	formJSON form = iota
	formQuery
	formEC2
	formS3
)

// forms lists the services that do not speak JSON, by signing name.
var forms = map[string]form{
	"ec2": formEC2, "s3": formS3,
	"iam": formQuery, "sts": formQuery, "cloudformation": formQuery, "sns": formQuery, "rds": formQuery,
	"elasticloadbalancing": formQuery, "elasticbeanstalk": formQuery, "autoscaling": formQuery, "monitoring": formQuery,
}

// unknown refuses an operation by name.
func unknown(service, name string) *op.Error {
	text := "The operation " + service + ":" + name + " is not offered by this installation; docs/parity.md lists what is."
	switch forms[service] {
	case formQuery:
		return &op.Error{Code: "InvalidAction", Message: text, Status: http.StatusBadRequest}
	case formEC2:
		return &op.Error{Code: "InvalidAction", Message: "The action " + name + " is not valid for this web service.", Status: http.StatusBadRequest}
	case formS3:
		return &op.Error{Code: "NotImplemented", Message: "A header you provided implies functionality that is not implemented: " + text, Status: http.StatusNotImplemented}
	}
	return &op.Error{Code: "UnknownOperationException", Message: text, Status: http.StatusBadRequest}
}

// denied is AWS's refusal in the service's form.
func denied(service string, f *identity.Refusal) *op.Error {
	text := f.String()
	switch forms[service] {
	case formQuery, formS3:
		return &op.Error{Code: "AccessDenied", Message: text, Status: http.StatusForbidden}
	case formEC2:
		text = strings.Replace(text, " on resource: * ", " ", 1)
		return &op.Error{Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation. " + text, Status: http.StatusForbidden}
	}
	return &op.Error{Code: "AccessDeniedException", Message: text, Status: http.StatusBadRequest}
}
