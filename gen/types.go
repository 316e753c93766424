package main

import (
	"bytes"
	"fmt"
	"strings"
)

func (g *generator) writeTypes(b *bytes.Buffer) error {
	var body bytes.Buffer
	uses := map[string]bool{}
	last := ""
	for _, t := range g.types {
		if t.Go == last {
			return fmt.Errorf("two structures are called %s", t.Go)
		}
		last = t.Go
		fmt.Fprintf(&body, "// %s is a structure of the API.\ntype %s struct {\n", t.Go, t.Go)
		for _, m := range t.Shape.Members {
			if g.isStream(t.Shape, m) {
				continue
			}
			typ, err := g.goType(m.Shape, true)
			if err != nil {
				return err
			}
			uses["json"] = uses["json"] || strings.Contains(typ, "json.")
			uses["op"] = uses["op"] || strings.Contains(typ, "op.")
			fmt.Fprintf(&body, "\t%s %s `%s`\n", upper(m.Name), typ, g.tags(t.Shape, m))
		}
		body.WriteString("}\n\n")
	}
	if uses["json"] {
		b.WriteString("import \"encoding/json\"\n")
	}
	if uses["op"] {
		b.WriteString("import \"github.com/penstock-ci/penstock/internal/op\"\n")
	}
	b.WriteByte('\n')
	_, err := body.WriteTo(b)
	return err
}

// isStream tells whether a member is a body that travels beside the structure.
func (g *generator) isStream(s *shape, m member) bool {
	return s.Payload == m.Name && (m.Streaming || g.model.Shapes[m.Shape].Type == "blob" && g.model.Metadata.Protocol == "rest-xml")
}

// goType is a shape's Go type: optional members are pointers, items are values.
func (g *generator) goType(name string, optional bool) (string, error) {
	s := g.model.Shapes[name]
	star := ""
	if optional {
		star = "*"
	}
	switch s.Type {
	case "string", "character":
		return star + "string", nil
	case "boolean":
		return star + "bool", nil
	case "integer":
		return star + "int32", nil
	case "long":
		return star + "int64", nil
	case "float", "double":
		return star + "float64", nil
	case "timestamp":
		return star + "op.Time", nil
	case "blob":
		return "[]byte", nil
	case "structure":
		if s.Document {
			return "json.RawMessage", nil
		}
		return star + upper(name), nil
	case "list":
		item, err := g.goType(s.Member.Shape, false)
		return "[]" + item, err
	case "map":
		item, err := g.goType(s.Value.Shape, false)
		return "map[string]" + item, err
	}
	return "", fmt.Errorf("shape %s has the unknown type %q", name, s.Type)
}

// tags are a member's struct tags. json names it on the wire in every protocol's
// body; aws has what else a protocol other than JSON needs, see internal/model/tag.go.
func (g *generator) tags(parent *shape, m member) string {
	name := m.Name
	if m.LocationName != "" && (m.Location == "" || m.Location == "body") {
		name = m.LocationName
	}
	tags := fmt.Sprintf(`json:"%s,omitzero"`, name)
	if g.model.Metadata.Protocol == "json" {
		return tags
	}
	if parts := g.wireTag(parent, m, name); len(parts) > 0 {
		tags += fmt.Sprintf(` aws:"%s"`, strings.Join(parts, ","))
	}
	return tags
}

func (g *generator) wireTag(parent *shape, m member, name string) (parts []string) {
	add := func(ok bool, part string) {
		if ok {
			parts = append(parts, part)
		}
	}
	s := g.model.Shapes[m.Shape]
	proto := g.model.Metadata.Protocol
	at := m.LocationName
	if at == "" {
		at = m.Name
	}
	add(m.Location == "header", "header="+at)
	add(m.Location == "headers", "headers="+at)
	add(m.Location == "uri", "uri="+at)
	add(m.Location == "querystring", "query="+at)
	add(m.Location == "statusCode", "status")
	add(parent.Payload == m.Name, "payload")
	add(m.XMLAttribute, "attr")
	ns := m.XMLNamespace
	if ns == nil && s.XMLNamespace != nil && s.XMLNamespace.Prefix != "" {
		ns = s.XMLNamespace // of a grantee, whose attribute needs the prefix
	}
	if ns != nil {
		add(true, "ns="+ns.Prefix+"|"+ns.URI)
	}
	flat := m.Flattened || s.Flattened
	add(flat, "flat")
	if s.Member != nil {
		item := s.Member.LocationName
		usual := "member"
		if proto == "ec2" {
			usual = "item"
		}
		add(item != "" && item != usual, "item="+item)
	}
	if s.Type == "map" {
		add(s.Key.LocationName != "" && s.Key.LocationName != "key", "key="+s.Key.LocationName)
		add(s.Value.LocationName != "" && s.Value.LocationName != "value", "value="+s.Value.LocationName)
	}
	switch {
	case m.QueryName != "":
		add(m.QueryName != upper(name), "q="+m.QueryName)
	case proto == "ec2" && m.LocationName == "":
		add(m.Name != upper(name), "q="+m.Name)
	}
	ts := m.TimestampFormat
	if ts == "" {
		ts = s.TimestampFormat
	}
	add(ts != "", "ts="+ts)
	return parts
}
