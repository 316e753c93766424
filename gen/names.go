package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// writeEnums writes a string constant per value: BuildStatusSucceeded.
func (g *generator) writeEnums(b *bytes.Buffer) error {
	if len(g.enums) == 0 {
		return nil
	}
	used := map[string]bool{}
	for _, t := range g.types {
		used[t.Go] = true
	}
	for _, o := range g.ops {
		used[o.Name] = true
	}
	for _, name := range g.enums {
		s := g.model.Shapes[name]
		fmt.Fprintf(b, "// Values of %s.\nconst (\n", upper(name))
		for _, v := range s.Enum {
			id := upper(name) + camel(v)
			if used[id] {
				continue // two spellings of one value ("HTTP1", "http1"), or a structure of that name
			}
			used[id] = true
			fmt.Fprintf(b, "\t%s = %q\n", id, v)
		}
		b.WriteString(")\n\n")
	}
	return nil
}

// camel turns FARGATE_SPOT, us-west-2 and aws:kms into FargateSpot, UsWest2 and AwsKms.
func camel(v string) string {
	shout := strings.ToUpper(v) == v
	var out strings.Builder
	start := true
	for _, r := range v {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			start = true
		case start:
			out.WriteRune(unicode.ToUpper(r))
			start = false
		case shout:
			out.WriteRune(unicode.ToLower(r))
		default:
			out.WriteRune(r)
		}
	}
	if out.Len() == 0 {
		return "Empty"
	}
	return out.String()
}

// writeErrors writes a constructor per error shape.
func (g *generator) writeErrors(b *bytes.Buffer) error {
	if len(g.errs) == 0 {
		return nil
	}
	b.WriteString("import (\n\t\"fmt\"\n\n\t\"github.com/penstock-ci/penstock/internal/op\"\n)\n\n")
	for _, name := range g.errs {
		s := g.model.Shapes[name]
		code, status := s.Error.Code, s.Error.HTTPStatusCode
		if code == "" {
			code = name
		}
		if status == 0 && s.Fault {
			status = http.StatusInternalServerError
		}
		if status == 0 {
			status = http.StatusBadRequest
		}
		fmt.Fprintf(b, "// %s is the error %s.\nfunc %s(format string, args ...any) *op.Error {\n", upper(name), code, upper(name))
		fmt.Fprintf(b, "return &op.Error{Code: %q, Status: %d, Message: fmt.Sprintf(format, args...)}\n}\n\n", code, status)
	}
	return nil
}
