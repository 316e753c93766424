package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// constraints numbers the shapes that constrain something, themselves or beneath.
type constraints struct {
	g     *generator
	index map[*shape]int // 0: none
	order []*shape
	busy  map[*shape]bool
}

func (g *generator) constrained(o *operation) bool {
	return o.Input != nil && (&constraints{g: g}).matters(g.model.Shapes[o.Input.Shape], map[*shape]bool{})
}

// matters tells whether a shape or anything beneath it has a constraint.
func (c *constraints) matters(s *shape, seen map[*shape]bool) bool {
	if seen[s] {
		return false
	}
	seen[s] = true
	if c.own(s) || len(s.Required) > 0 {
		return true
	}
	for _, m := range s.Members {
		if c.matters(c.g.model.Shapes[m.Shape], seen) {
			return true
		}
	}
	for _, r := range []*ref{s.Member, s.Key, s.Value} {
		if r != nil && c.matters(c.g.model.Shapes[r.Shape], seen) {
			return true
		}
	}
	return false
}

func (c *constraints) own(s *shape) bool {
	return s.Min != nil || s.Max != nil || s.Pattern != "" || len(s.Enum) > 0
}

func (c *constraints) number(s *shape) int {
	if n, ok := c.index[s]; ok {
		return n
	}
	if !c.matters(s, map[*shape]bool{}) {
		c.index[s] = 0
		return 0
	}
	c.order = append(c.order, s)
	n := len(c.order)
	c.index[s] = n
	for _, m := range s.Members {
		c.number(c.g.model.Shapes[m.Shape])
	}
	for _, r := range []*ref{s.Member, s.Key, s.Value} {
		if r != nil {
			c.number(c.g.model.Shapes[r.Shape])
		}
	}
	return n
}

func (c *constraints) of(r *ref) int {
	if r == nil {
		return 0
	}
	return c.index[c.g.model.Shapes[r.Shape]]
}

func (g *generator) writeConstraints(b *bytes.Buffer) error {
	c := &constraints{g: g, index: map[*shape]int{}}
	b.WriteString("import \"github.com/penstock-ci/penstock/internal/model\"\n\n")
	fmt.Fprintf(b, "var constraints = &model.Constraints{Code: %q, Style: model.%s,\nInputs: map[string]uint16{\n", g.pkg.Code, g.pkg.Style)
	for _, o := range g.ops {
		if o.Input == nil {
			continue
		}
		if n := c.number(g.model.Shapes[o.Input.Shape]); n > 0 {
			fmt.Fprintf(b, "%q: %d,\n", o.Name+"Input", n)
		}
	}
	b.WriteString("},\nShapes: []model.Shape{{},\n")
	for _, s := range c.order {
		if err := c.write(b, s); err != nil {
			return err
		}
	}
	b.WriteString("},\n}\n")
	return nil
}

func (c *constraints) write(b *bytes.Buffer, s *shape) error {
	var f []string
	add := func(format string, args ...any) { f = append(f, fmt.Sprintf(format, args...)) }
	var ms []string
	for _, m := range s.Members {
		n, required := c.of(&m.ref), slices.Contains(s.Required, m.Name)
		if n == 0 && !required || c.g.isStream(s, m) {
			continue
		}
		one := fmt.Sprintf("{Field: %q", upper(m.Name))
		if required {
			one += ", Required: true"
		}
		if n > 0 {
			one += fmt.Sprintf(", Shape: %d", n)
		}
		ms = append(ms, one+"}")
	}
	if len(ms) > 0 {
		add("Members: []model.Member{%s}", strings.Join(ms, ", "))
	}
	for name, r := range map[string]*ref{"Item": s.Member, "Key": s.Key, "Value": s.Value} {
		if n := c.of(r); n > 0 {
			add("%s: %d", name, n)
		}
	}
	slices.Sort(f)
	if s.Min != nil {
		add("Min: %s, HasMin: true", integer(s.Min.String(), "-9223372036854775808"))
	}
	if s.Max != nil {
		add("Max: %s, HasMax: true", integer(s.Max.String(), "9223372036854775807"))
	}
	if s.Pattern != "" {
		add("Pattern: %q", s.Pattern)
		if re, err := goPattern(s.Pattern); err != nil {
			return err
		} else if re != s.Pattern {
			add("Go: %q", re)
		}
	}
	if len(s.Enum) > 0 {
		add("Enum: []string{%s}", quoted(s.Enum))
	}
	if s.Sensitive {
		add("Sensitive: true")
	}
	fmt.Fprintf(b, "{%s},\n", strings.Join(f, ", "))
	return nil
}

// integer is a bound as Go writes it; the models have a few like 1.0E+3 or beyond int64.
func integer(s, far string) string {
	var n int64
	if _, err := fmt.Sscanf(s, "%d", &n); err == nil && fmt.Sprint(n) == s {
		return s
	}
	var f float64
	if _, err := fmt.Sscanf(s, "%g", &f); err == nil && f > -9e18 && f < 9e18 {
		return fmt.Sprint(int64(f))
	}
	return far
}

func quoted(list []string) string {
	q := make([]string, len(list))
	for i, s := range list {
		q[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(q, ", ")
}
