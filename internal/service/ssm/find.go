package ssm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// split cuts NAME:3 or NAME:label; an ARN's own colons are not selectors.
func split(id string) (name, selector string) {
	from := 0
	if i := strings.Index(id, ":parameter/"); strings.HasPrefix(id, "arn:") && i > 0 {
		from = i + len(":parameter")
	}
	if i := strings.IndexByte(id[from:], ':'); i >= 0 {
		return id[:from+i], id[from+i+1:]
	}
	return id, ""
}

// find takes a name or an ARN, without selector.
func (s *Service) find(ctx context.Context, r store.Reader, c op.Caller, id string) (store.Doc[Parameter], error) {
	scope, names := c.Scope, []string{id}
	if a, ok := arn.Parse(id); ok && a.Service == "ssm" {
		rest := strings.TrimPrefix(a.Resource, "parameter")
		scope, names = store.Scope{Account: a.Account, Region: a.Region}, []string{rest, strings.TrimPrefix(rest, "/")}
	}
	for _, name := range names {
		d, err := s.parameters.Get(ctx, r, scope, name)
		if !errors.Is(err, store.ErrNotFound) {
			return d, err
		}
	}
	return store.Doc[Parameter]{}, api.ParameterNotFound("")
}

// choose is the version that a selector names, the latest for "".
func (p *Parameter) choose(selector string) (*Version, error) {
	if selector == "" {
		return p.latest(), nil
	}
	number, err := strconv.ParseInt(selector, 10, 64)
	for i := range p.Versions {
		v := &p.Versions[i]
		if err == nil && v.Number == number || err != nil && slices.Contains(v.Labels, selector) {
			return v, nil
		}
	}
	return nil, api.ParameterVersionNotFound("Systems Manager could not find version %s of %s. Verify the version and try again.", selector, p.Name)
}

func aad(p Parameter, number int64) string { return fmt.Sprintf("%s %d", p.ARN(), number) }

// value is what a read shows: a SecureString that is not asked to be decrypted
// is shown as ciphertext.
func (s *Service) value(p Parameter, v Version, decrypt bool) (string, error) {
	if v.Type != api.ParameterTypeSecureString {
		return v.Value, nil
	}
	if !decrypt {
		return base64.StdEncoding.EncodeToString(v.Sealed), nil
	}
	plain, err := s.Keys.Open(aad(p, v.Number), v.Sealed)
	if err != nil {
		return "", fmt.Errorf("open %s version %d: %w", p.Name, v.Number, err)
	}
	return string(plain), nil
}

func (s *Service) show(p Parameter, v Version, selector string, decrypt bool) (*api.Parameter, error) {
	text, err := s.value(p, v, decrypt)
	if err != nil {
		return nil, err
	}
	out := &api.Parameter{
		Name: new(p.Name), Type: new(v.Type), Value: &text, Version: new(v.Number), LastModifiedDate: op.At(v.Modified), ARN: new(p.ARN()), DataType: new(v.DataType),
	}
	if selector != "" {
		out.Selector = new(":" + selector)
	}
	return out, nil
}
