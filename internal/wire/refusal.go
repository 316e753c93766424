package wire

import (
	"fmt"
	"net/http"

	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// refusal is why wire itself turns a request away, before any service sees it.
type refusal struct {
	kind   refusalKind
	detail string            // replaces the usual sentence
	fields map[string]string // further elements of the answer
}

type refusalKind int

const (
	noAuth refusalKind = iota
	malformedAuth
	unknownKey
	badToken
	expiredToken
	badSignature
	expiredSignature // outside the allowed skew
	unsignedHeaders
	expiredURL
	badQueryAuth
	badV2Auth
	unknownOperation
	noAction
	tooLarge
	badInput // the body cannot be read as what it should be
	badValue // a value in it cannot
)

// row is one line of AWS's table: code and status per protocol. JSON is always 400.
type row struct {
	json, query, ec2, s3            string
	queryStatus, ec2Status, s3State int
	sentence, s3Sentence            string
}

const (
	badSignatureText = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	badCredsText     = "AWS was not able to validate the provided access credentials"
	badTokenText     = "The security token included in the request is invalid."
	badXML           = "The XML you provided was not well-formed or did not validate against our published schema"
)

func rowOf(k refusalKind) row {
	switch k {
	case noAuth:
		return row{"MissingAuthenticationTokenException", "MissingAuthenticationToken", "AuthFailure", "AccessDenied", 403, 401, 403, "Missing Authentication Token", "Access Denied"}
	case malformedAuth:
		return row{"IncompleteSignatureException", "IncompleteSignature", "AuthFailure", "AuthorizationHeaderMalformed", 400, 401, 400, "The authorization header is malformed", "The authorization header is malformed"}
	case unknownKey:
		return row{"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidAccessKeyId", 403, 401, 403, badTokenText, "The AWS Access Key Id you provided does not exist in our records."}
	case badToken:
		return row{"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidToken", 403, 401, 400, badTokenText, "The provided token is malformed or otherwise invalid."}
	case expiredToken:
		return row{"ExpiredTokenException", "ExpiredToken", "RequestExpired", "ExpiredToken", 403, 400, 400, "The security token included in the request is expired", "The provided token has expired."}
	case badSignature, unsignedHeaders:
		r := row{"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "SignatureDoesNotMatch", 403, 401, 403, badSignatureText, "The request signature we calculated does not match the signature you provided. Check your key and signing method."}
		if k == unsignedHeaders {
			r.s3, r.s3Sentence = "AccessDenied", "There were headers present in the request which were not signed"
		}
		return r
	case expiredSignature:
		return row{"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed", 403, 400, 403, "", "The difference between the request time and the current time is too large."}
	}
	return requestRow(k)
}

func requestRow(k refusalKind) row {
	switch k {
	case expiredURL:
		return row{"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "AccessDenied", 403, 400, 403, "", "Request has expired"}
	case badQueryAuth:
		return row{"IncompleteSignatureException", "IncompleteSignature", "AuthFailure", "AuthorizationQueryParametersError", 400, 401, 400, "", "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."}
	case badV2Auth:
		return row{"IncompleteSignatureException", "IncompleteSignature", "AuthFailure", "AccessDenied", 400, 401, 403, "", "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"}
	case noAction:
		return row{"UnknownOperationException", "MissingAction", "MissingAction", "InvalidRequest", 400, 400, 400, "The request must contain the parameter Action", ""}
	case tooLarge:
		return row{"RequestEntityTooLargeException", "RequestEntityTooLarge", "RequestEntityTooLarge", "MaxMessageLengthExceeded", 413, 413, 400, "The request body is too large", "Your request was too big."}
	case badInput:
		return row{"SerializationException", "MalformedInput", "InvalidRequest", "MalformedXML", 400, 400, 400, "", badXML}
	case badValue:
		return row{"SerializationException", "MalformedInput", "InvalidParameterValue", "InvalidArgument", 400, 400, 400, "", "Invalid Argument"}
	}
	return row{"UnknownOperationException", "InvalidAction", "InvalidAction", "NotImplemented", 400, 400, 400, "", ""}
}

// in gives a refusal the form of the call's protocol.
func (f *refusal) in(c *call) *op.Error {
	r := rowOf(f.kind)
	e := &op.Error{Message: f.detail, Status: http.StatusBadRequest}
	sentence := r.sentence
	switch c.protocol {
	case model.Query:
		e.Code, e.Status = r.query, r.queryStatus
	case model.EC2:
		e.Code, e.Status = r.ec2, r.ec2Status
		if r.ec2 == "AuthFailure" {
			sentence = badCredsText
		}
	case model.RESTXML:
		e.Code, e.Status, e.Fields = r.s3, r.s3State, f.fields
		if r.s3Sentence != "" {
			sentence = r.s3Sentence
		}
	default:
		e.Code = r.json
		if f.kind == tooLarge {
			e.Status = http.StatusRequestEntityTooLarge
		}
	}
	if f.kind == unknownOperation {
		sentence = unknownText(c)
	}
	if e.Message == "" {
		e.Message = sentence
	}
	return e
}

// unknownText names what was asked for: AWS has the operation and this server not,
// or nobody has it.
func unknownText(c *call) string {
	switch {
	case c.svc == nil && c.auth.service != "":
		return fmt.Sprintf("Penstock does not have the service %s (operation %s)", c.auth.service, c.name)
	case c.svc == nil:
		return fmt.Sprintf("Penstock has no operation %s", c.name)
	case c.svc.Knows(c.name) || c.name == "":
		if c.name == "" {
			return "No operation of S3 has this method, path and query"
		}
		return fmt.Sprintf("Penstock does not have the operation %s:%s; docs/parity.md lists what it has", c.svc.Name, c.name)
	case c.protocol == model.EC2:
		return fmt.Sprintf("The action %s is not valid for this web service.", c.name)
	case c.protocol == model.Query:
		return fmt.Sprintf("Could not find operation %s for version %s", c.name, c.svc.Version)
	}
	return fmt.Sprintf("The operation %s is not an operation of %s", c.name, c.svc.Name)
}
