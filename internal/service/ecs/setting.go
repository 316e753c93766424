package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Setting is one account setting of one principal; the principal "" is the
// account's default. Settings are stored and told, they change nothing here.
type Setting struct{ Name, Value, Principal string }

// settingDefaults are the values that AWS gives a new account.
var settingDefaults = map[string]string{
	"serviceLongArnFormat": "enabled", "taskLongArnFormat": "enabled", "containerInstanceLongArnFormat": "enabled",
	"awsvpcTrunking": "disabled", "containerInsights": "disabled", "fargateFIPSMode": "disabled", "tagResourceAuthorization": "off",
	"dualStackIPv6": "enabled", "fargateTaskRetirementWaitPeriod": "7", "guardDutyActivate": "off", "defaultLogDriverMode": "non-blocking",
}

func settingKey(principal, name string) string { return principal + "|" + name }

func (c *Control) listAccountSettings(ctx context.Context, r store.Reader, by op.Caller, in *api.ListAccountSettingsInput) (*api.ListAccountSettingsOutput, error) {
	principal := op.Or(in.PrincipalArn, by.ARN)
	found, err := all(ctx, r, c.settings, by.Scope, "", "", func(s Setting) bool { return s.Principal == principal || s.Principal == "" })
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	if op.Val(in.EffectiveSettings) {
		for name, value := range settingDefaults {
			values[name] = value
		}
	}
	for _, s := range found { // the account's defaults come first: their principal is empty
		if s.Principal == principal || op.Val(in.EffectiveSettings) {
			values[s.Name] = s.Value
		}
	}
	var names []string
	for name, value := range values {
		if (in.Name == nil || *in.Name == name) && (in.Value == nil || *in.Value == value) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names, next, err := page(names, in.NextToken, in.MaxResults, 10)
	if err != nil {
		return nil, err
	}
	out := &api.ListAccountSettingsOutput{Settings: []api.Setting{}, NextToken: next}
	for _, name := range names {
		out.Settings = append(out.Settings, settingOut(Setting{name, values[name], principal}))
	}
	return out, nil
}

func settingOut(s Setting) api.Setting {
	return api.Setting{Name: &s.Name, Value: &s.Value, PrincipalArn: &s.Principal, Type: new("user")}
}

func (c *Control) putAccountSetting(ctx context.Context, tx store.Tx, by op.Caller, in *api.PutAccountSettingInput) (*api.PutAccountSettingOutput, error) {
	s, err := c.putSetting(ctx, tx, by, Setting{*in.Name, *in.Value, op.Or(in.PrincipalArn, by.ARN)})
	return &api.PutAccountSettingOutput{Setting: s}, err
}

func (c *Control) putAccountSettingDefault(ctx context.Context, tx store.Tx, by op.Caller, in *api.PutAccountSettingDefaultInput) (*api.PutAccountSettingDefaultOutput, error) {
	s, err := c.putSetting(ctx, tx, by, Setting{Name: *in.Name, Value: *in.Value})
	if s != nil {
		s.PrincipalArn = new("arn:aws:iam::" + by.Account + ":root")
	}
	return &api.PutAccountSettingDefaultOutput{Setting: s}, err
}

func (c *Control) putSetting(ctx context.Context, tx store.Tx, by op.Caller, s Setting) (*api.Setting, error) {
	if _, known := settingDefaults[s.Name]; !known {
		return nil, api.InvalidParameterException("Invalid setting name: %s", s.Name)
	}
	key := settingKey(s.Principal, s.Name)
	old, err := c.settings.Get(ctx, tx, by.Scope, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read account setting %s: %w", s.Name, err)
	}
	if _, err := c.settings.Put(ctx, tx, by.Scope, key, s, old.Version); err != nil {
		return nil, fmt.Errorf("write account setting %s: %w", s.Name, err)
	}
	out := settingOut(s)
	return &out, nil
}
