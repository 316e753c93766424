package ssm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	api "github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	standardMax = 4096 // characters of a value, by tier
	advancedMax = 8192
	nameMax     = 1011 // of name and ARN prefix together
	levelMax    = 15
	versionMax  = 100
	defaultKey  = "alias/aws/ssm"
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_.\-/]+$`)

func invalid(format string, args ...any) *op.Error {
	return &op.Error{Code: "ValidationException", Message: fmt.Sprintf(format, args...)}
}

func checkName(name string) error {
	bare := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch {
	case len(name) > nameMax:
		return invalid("Parameter name can't be longer than %d characters.", nameMax)
	case !nameForm.MatchString(name):
		return invalid("Parameter name: can only contain letters, numbers, and the following symbols: .-_/ %s", name)
	case strings.Contains(name, "/") && name[0] != '/':
		return invalid("Parameter name must be a fully qualified name.")
	case strings.HasSuffix(name, "/") || strings.Contains(name, "//"):
		return invalid("Parameter name must not end with / or contain an empty level.")
	case strings.HasPrefix(bare, "aws") || strings.HasPrefix(bare, "ssm"):
		return invalid(`Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_`)
	case strings.Count(name, "/") > levelMax:
		return api.HierarchyLevelLimitExceededException("A hierarchy can have a maximum of %d levels. %s has more.", levelMax, name)
	}
	return nil
}

func (s *Service) putParameter(ctx context.Context, tx store.Tx, c op.Caller, in *api.PutParameterInput) (*api.PutParameterOutput, error) {
	if err := checkPut(in); err != nil {
		return nil, err
	}
	d, err := s.parameters.Get(ctx, tx, c.Scope, *in.Name)
	isNew := errors.Is(err, store.ErrNotFound)
	if err != nil && !isNew {
		return nil, err
	}
	p := d.Value
	switch {
	case isNew && in.Type == nil:
		return nil, invalid("A parameter type is required when you create a parameter.")
	case isNew:
		p = Parameter{Name: *in.Name, Account: c.Account, Region: c.Region, Next: 1}
		if p.Tags, err = tagMap(nil, in.Tags); err != nil {
			return nil, err
		}
	case !op.Val(in.Overwrite):
		return nil, api.ParameterAlreadyExists("The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	case in.Type != nil && *in.Type != p.latest().Type:
		return nil, api.HierarchyTypeMismatchException("Parameter Store doesn't support changing a parameter type in a hierarchy. For example, you can't change a parameter from a String type to a SecureString type. You must create a new, unique parameter.")
	}
	v, err := s.newVersion(p, c, in)
	if err != nil {
		return nil, err
	}
	p.Versions = append(p.Versions, v)
	p.Next++
	if err := p.prune(); err != nil {
		return nil, err
	}
	_, err = s.parameters.Put(ctx, tx, c.Scope, p.Name, p, d.Version)
	return &api.PutParameterOutput{Version: new(v.Number), Tier: new(v.Tier)}, err
}

// checkPut is what can be said without knowing the parameter.
func checkPut(in *api.PutParameterInput) error {
	if err := checkName(*in.Name); err != nil {
		return err
	}
	switch {
	case len(in.Tags) > 0 && op.Val(in.Overwrite):
		return invalid("Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	case op.Val(in.Policies) != "" && op.Val(in.Policies) != "[]":
		return api.InvalidPolicyTypeException("Parameter policies are not offered by this installation: leave Policies out.")
	case in.KeyId != nil && !strings.HasSuffix(*in.KeyId, defaultKey):
		return api.InvalidKeyId("Customer managed KMS keys are not offered by this installation: leave KeyId out, values are encrypted under the installation's keyring.")
	case in.Type != nil && *in.Type == api.ParameterTypeSecureString && op.Val(in.DataType) != "" && *in.DataType != "text":
		return invalid("The data type %s is not supported for SecureString parameters.", *in.DataType)
	}
	return nil
}

func (s *Service) newVersion(p Parameter, c op.Caller, in *api.PutParameterInput) (Version, error) {
	v := Version{Number: p.Next, Type: op.Val(in.Type), DataType: op.Or(in.DataType, "text"), Modified: s.Clock.Now(), User: c.ARN}
	if len(p.Versions) > 0 {
		old := p.latest()
		v.Type, v.DataType, v.Description, v.Pattern = old.Type, op.Or(in.DataType, old.DataType), old.Description, old.Pattern
	}
	v.Description, v.Pattern = op.Or(in.Description, v.Description), op.Or(in.AllowedPattern, v.Pattern)
	if err := checkValue(v.Pattern, *in.Value); err != nil {
		return v, err
	}
	var err error
	if v.Tier, err = tier(p, op.Val(in.Tier), *in.Value); err != nil {
		return v, err
	}
	if v.Type != api.ParameterTypeSecureString {
		v.Value = *in.Value
		return v, nil
	}
	v.Key = op.Or(in.KeyId, defaultKey)
	if v.Sealed, err = s.Keys.Seal(aad(p, v.Number), []byte(*in.Value)); err != nil {
		return v, fmt.Errorf("seal %s version %d: %w", p.Name, v.Number, err)
	}
	return v, nil
}

func checkValue(pattern, value string) error {
	if pattern == "" {
		return nil
	}
	re, err := regexp.Compile(`^(?:` + pattern + `)$`)
	if err != nil {
		return api.InvalidAllowedPatternException("The regular expression %s is not valid.", pattern)
	}
	if !re.MatchString(value) {
		return api.ParameterPatternMismatchException("Parameter value, cannot be validated against allowedPattern: %s", pattern)
	}
	return nil
}

// tier: what fits is Standard, unless Advanced was asked for or the parameter is it already.
func tier(p Parameter, asked, value string) (string, error) {
	n := len([]rune(value))
	advanced := asked == api.ParameterTierAdvanced || asked == api.ParameterTierIntelligentTiering && n > standardMax ||
		len(p.Versions) > 0 && p.latest().Tier == api.ParameterTierAdvanced
	switch {
	case !advanced && n > standardMax:
		return "", invalid("Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.", standardMax)
	case n > advancedMax:
		return "", invalid("Advanced tier parameters support a maximum parameter value of %d characters.", advancedMax)
	case len(p.Versions) > 0 && p.latest().Tier == api.ParameterTierAdvanced && asked == api.ParameterTierStandard:
		return "", invalid("This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.")
	case advanced:
		return api.ParameterTierAdvanced, nil
	}
	return api.ParameterTierStandard, nil
}

// prune forgets the oldest version beyond AWS's hundred; a label on it keeps it.
func (p *Parameter) prune() error {
	if len(p.Versions) <= versionMax {
		return nil
	}
	if oldest := p.Versions[0]; len(oldest.Labels) > 0 {
		return api.ParameterMaxVersionLimitExceeded("You attempted to create a new version of %s by calling the PutParameter API with the overwrite flag. Version %d, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.", p.Name, oldest.Number)
	}
	p.Versions = p.Versions[1:]
	return nil
}
