package model

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/penstock-ci/penstock/internal/op"
)

// longest is how much of a value a sentence repeats.
const longest = 1024

// refusal words what was found in the service's style.
func (k *checker) refusal() *op.Error {
	if len(k.found) == 0 {
		return nil
	}
	switch k.c.Style {
	case Amazon:
		return amazon(k.found[0])
	case Storage:
		return storage(k.found)
	}
	return coral(k.c.Code, k.found)
}

func coral(code string, found []violation) *op.Error {
	sentences := make([]string, len(found))
	for i, v := range found {
		value := v.value + " "
		if v.value == "" || len(v.value) > longest {
			value = ""
		}
		sentences[i] = fmt.Sprintf("Value %sat '%s' failed to satisfy constraint: %s", value, v.path, v.must)
	}
	noun := "errors"
	if len(found) == 1 {
		noun = "error"
	}
	return &op.Error{Code: code, Status: http.StatusBadRequest, Message: fmt.Sprintf("%d validation %s detected: %s", len(found), noun, strings.Join(sentences, "; "))}
}

// amazon is EC2's and RDS's manner.
func amazon(v violation) *op.Error {
	e := &op.Error{Code: "InvalidParameterValue", Status: http.StatusBadRequest}
	value := strings.Trim(v.value, "'")
	switch v.kind {
	case missing:
		e.Code = "MissingParameter"
		e.Message = "The request must contain the parameter " + v.path
	case span:
		bound := v.must[strings.LastIndexByte(v.must, ' ')+1:]
		word := "greater"
		if strings.Contains(v.must, "less than") {
			word = "less"
		}
		e.Message = fmt.Sprintf("Value ( %s ) for parameter %s is invalid. Expecting a value %s than or equal to %s.", value, v.path, word, bound)
	case enum:
		e.Message = fmt.Sprintf("Value (%s) for parameter %s is invalid. %s.", value, v.path, strings.Replace(v.must, "Member must satisfy enum value set", "Valid values are", 1))
	default:
		e.Message = fmt.Sprintf("Value (%s) for parameter %s is invalid. %s", value, v.path, v.must)
	}
	return e
}

// storage is S3's manner: what lies in the body is malformed XML, what lies outside
// is an invalid argument.
func storage(found []violation) *op.Error {
	for _, v := range found {
		switch {
		case !v.header:
			return &op.Error{Code: "MalformedXML", Status: http.StatusBadRequest, Message: "The XML you provided was not well-formed or did not validate against our published schema"}
		case v.kind == missing:
			return &op.Error{Code: "InvalidRequest", Status: http.StatusBadRequest, Message: "Missing required parameter for this request: " + v.path}
		case v.kind == enum:
			return &op.Error{Code: "InvalidArgument", Status: http.StatusBadRequest, Message: fmt.Sprintf("The value specified for %s is not valid: %s", v.path, strings.Trim(v.value, "'"))}
		}
	}
	return nil // lengths and patterns of S3's model are judged by the service itself
}
