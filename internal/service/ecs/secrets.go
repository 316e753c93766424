package ecs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
)

// execution is the caller that fetches for a task before it starts.
func (t *Task) execution(key string) op.Caller {
	return op.As(t.Scope, t.Execution, t.ID, tasksPrincipal, key).For(t.arn())
}

// secrets are the variables of each container that come from secrets and parameters.
func (j *jobs) secrets(ctx context.Context, t *Task, d *Definition) (map[string][]string, error) {
	out := map[string][]string{}
	for _, c := range d.API.ContainerDefinitions {
		for _, s := range c.Secrets {
			if t.Execution == "" {
				return nil, secretFailure("the task definition has no execution role", nil)
			}
			ref, err := parseSecret(op.Val(s.ValueFrom))
			if err != nil {
				return nil, secretFailure(err.Error(), nil)
			}
			fetch := j.parameter
			if ref.Secret != "" {
				fetch = j.secret
			}
			value, err := fetch(ctx, t, ref)
			if err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return nil, err
			}
			out[*c.Name] = append(out[*c.Name], op.Val(s.Name)+"="+value)
		}
	}
	return out, nil
}

func secretFailure(why string, cause error) error {
	return &startFailure{reason: "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: " + why, cause: cause}
}

// awsText is an AWS error as SDKs print it.
func awsText(err error) string {
	if e, ok := final(err); ok {
		return e.Code + ": " + e.Message
	}
	return err.Error()
}

func (j *jobs) secret(ctx context.Context, t *Task, ref secretRef) (string, error) {
	by := t.execution("")
	if a, ok := arn.Parse(ref.Secret); ok {
		by.Region = a.Region
	}
	out, err := op.Call(ctx, j.c.AWS, by, secretsmanager.GetSecretValue, &secretsmanager.GetSecretValueInput{
		SecretId: &ref.Secret, VersionId: op.Opt(ref.Version), VersionStage: op.Opt(ref.Stage),
	})
	if err != nil {
		return "", secretFailure(fmt.Sprintf("unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret %s from secrets manager: %s", ref.Secret, awsText(err)), err)
	}
	value := op.Val(out.SecretString)
	if ref.Key == "" {
		return value, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(value), &fields); err != nil {
		return "", secretFailure("unable to retrieve secret from asm: the value of secret "+ref.Secret+" is not JSON", nil)
	}
	raw, ok := fields[ref.Key]
	if !ok {
		return "", secretFailure("unable to retrieve secret from asm: retrieved secret from Secrets Manager did not contain json key "+ref.Key, nil)
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	return string(raw), nil // numbers, booleans and structures as they stand
}

func (j *jobs) parameter(ctx context.Context, t *Task, ref secretRef) (string, error) {
	by, name := t.execution(""), ref.Parameter
	if a, ok := arn.Parse(name); ok {
		by.Region = a.Region
		name = strings.TrimPrefix(a.Resource, "parameter")
		if strings.Count(name, "/") == 1 { // a name without a hierarchy has no slash of its own
			name = name[1:]
		}
	}
	out, err := op.Call(ctx, j.c.AWS, by, ssm.GetParameters, &ssm.GetParametersInput{Names: []string{name}, WithDecryption: new(true)})
	if err != nil {
		return "", secretFailure("unable to retrieve secrets from ssm: service call has been retried 1 time(s): "+awsText(err), err)
	}
	for _, p := range out.Parameters {
		return op.Val(p.Value), nil
	}
	return "", secretFailure("unable to retrieve secrets from ssm: invalid parameters: "+ref.Parameter, nil)
}
