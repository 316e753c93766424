package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

func (g *generator) signingName() string {
	if n := g.model.Metadata.SigningName; n != "" {
		return n
	}
	return g.model.Metadata.EndpointPrefix
}

func (g *generator) protocol() (string, error) {
	meta := g.model.Metadata
	switch meta.Protocol + meta.JSONVersion {
	case "json1.0":
		return "JSON10", nil
	case "json1.1":
		return "JSON11", nil
	case "query":
		return "Query", nil
	case "ec2":
		return "EC2", nil
	case "rest-xml":
		return "RESTXML", nil
	}
	return "", fmt.Errorf("protocol %q is not spoken here", meta.Protocol)
}

func (g *generator) writeOps(b *bytes.Buffer) error {
	b.WriteString("import (\n\t\"github.com/penstock-ci/penstock/internal/model\"\n\t\"github.com/penstock-ci/penstock/internal/op\"\n)\n\n")
	b.WriteString("// The operations.\nvar (\n")
	for _, o := range g.ops {
		check := ""
		if g.constrained(o) {
			check = fmt.Sprintf(", Check: func(in *%sInput) *op.Error { return constraints.Check(in) }", o.Name)
		}
		fmt.Fprintf(b, "\t%s = op.Op[%sInput, %sOutput]{Service: %q, Name: %q%s}\n", o.Name, o.Name, o.Name, g.signingName(), o.Name, check)
	}
	b.WriteString(")\n\n")
	return g.writeService(b)
}

func (g *generator) writeService(b *bytes.Buffer) error {
	protocol, err := g.protocol()
	if err != nil {
		return err
	}
	meta := g.model.Metadata
	ns := meta.XMLNamespace
	if protocol == "EC2" {
		ns += "/"
	}
	if g.pkg.Name == "s3" {
		ns = "http://s3.amazonaws.com/doc/2006-03-01/"
	}
	fmt.Fprintf(b, "// API describes the service to the wire.\nvar API = &model.Service{\n")
	fmt.Fprintf(b, "Package: %q, Name: %q, Endpoint: %q, Protocol: model.%s, Target: %q, Version: %q, Namespace: %q,\n",
		g.pkg.Name, g.signingName(), meta.EndpointPrefix, protocol, meta.TargetPrefix, meta.APIVersion, ns)
	b.WriteString("Ops: []model.Operation{\n")
	for _, o := range g.ops {
		fmt.Fprintf(b, "{Name: %q%s, NewIn: func() any { return new(%sInput) }, NewOut: func() any { return new(%sOutput) }},\n", o.Name, g.opFields(o), o.Name, o.Name)
	}
	b.WriteString("},\nRefused: []model.Operation{\n")
	for _, name := range g.refused() {
		fmt.Fprintf(b, "{Name: %q", name)
		if protocol == "RESTXML" {
			o := g.model.Operations[name]
			fmt.Fprintf(b, ", Method: %q, URI: %q", o.HTTP.Method, o.HTTP.RequestURI)
			g.writeNeeds(b, o)
		}
		b.WriteString("},\n")
	}
	b.WriteString("},\n}\n")
	return nil
}

func (g *generator) refused() (names []string) {
	for name := range g.model.Operations {
		if !g.seen[name+"Input"] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (g *generator) opFields(o *operation) string {
	var b bytes.Buffer
	if g.model.Metadata.Protocol == "rest-xml" {
		fmt.Fprintf(&b, ", Method: %q, URI: %q", o.HTTP.Method, o.HTTP.RequestURI)
		g.writeNeeds(&b, o)
		if c := o.HTTP.ResponseCode; c != 0 && c != 200 {
			fmt.Fprintf(&b, ", Status: %d", c)
		}
		if r := s3Roots[o.Name]; r != "" {
			fmt.Fprintf(&b, ", Root: %q", r)
		}
	}
	if o.Output != nil && o.Output.ResultWrapper != "" {
		fmt.Fprintf(&b, ", Root: %q", o.Output.ResultWrapper)
	}
	if o.Input != nil && g.hasStream(o.Input) {
		b.WriteString(", StreamIn: true")
	}
	if o.Output != nil && g.hasStream(o.Output) {
		b.WriteString(", StreamOut: true")
	}
	if o.AuthType == "none" {
		b.WriteString(", Anonymous: true")
	}
	if o.HTTPChecksum.RequestChecksumRequired {
		b.WriteString(", ChecksumNeeds: true")
	}
	return b.String()
}

func (g *generator) hasStream(r *ref) bool {
	s := g.model.Shapes[r.Shape]
	return slices.ContainsFunc(s.Members, func(m member) bool { return g.isStream(s, m) })
}

// writeNeeds lists required headers and query parameters: what tells UploadPart
// from PutObject, whose method and path are the same.
func (g *generator) writeNeeds(b *bytes.Buffer, o *operation) {
	if o.Input == nil {
		return
	}
	var needs []string
	s := g.model.Shapes[o.Input.Shape]
	for _, m := range s.Members {
		kind := map[string]string{"header": "header:", "querystring": "query:"}[m.Location]
		if kind != "" && slices.Contains(s.Required, m.Name) {
			needs = append(needs, fmt.Sprintf("%q", kind+m.LocationName))
		}
	}
	if len(needs) > 0 {
		fmt.Fprintf(b, ", Needs: []string{%s}", strings.Join(needs, ", "))
	}
}
