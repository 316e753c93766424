package codebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/internal/buildspec"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// refusal ends the build in DOWNLOAD_SOURCE by the user's doing.
type refusal struct{ protocol.Context }

func (r *refusal) Error() string { return r.Code + ": " + r.Message }

// plan parses the buildspec and resolves what it names, as the build's role. The
// values go to the runner and nowhere else.
func (s *Service) plan(ctx context.Context, b Build, in protocol.SpecRequest) (protocol.Plan, error) {
	p, err := s.makePlan(ctx, b, in)
	if r, ok := errors.AsType[*refusal](err); ok {
		return protocol.Plan{Refusal: &r.Context}, nil
	}
	return p, err
}

func (s *Service) makePlan(ctx context.Context, b Build, in protocol.SpecRequest) (protocol.Plan, error) {
	spec, err := buildspec.Parse([]byte(in.Text))
	if err != nil {
		return protocol.Plan{}, &refusal{protocol.Context{Code: protocol.YAMLFileError, Message: err.Error()}}
	}
	if why := unsupported(spec); why != "" {
		return protocol.Plan{}, &refusal{protocol.Context{Code: protocol.YAMLFileError, Message: why}}
	}
	p := protocol.Plan{
		Shell: strings.TrimPrefix(spec.Env.Shell, "/bin/"), RunAs: spec.RunAs, Isolated: spec.Version == "0.1",
		GitHelper: spec.Env.GitHelper, Phases: phasesOf(spec), Exported: spec.Env.Exported, Notes: b.notes(spec),
		Artifacts: b.artifactsOf(spec),
	}
	leased, err := s.leased(ctx, b)
	if err != nil {
		return p, err
	}
	var told []string
	p.Cache, told = b.cache(spec.Cache, leased)
	p.Notes = append(p.Notes, told...)
	vars := b.variables(spec)
	if p.Variables, err = s.resolve(ctx, b, vars); err != nil {
		return p, err
	}
	for _, v := range vars {
		if v.kind != plaintext && slices.Contains(p.Exported, v.name) {
			return p, &refusal{protocol.Context{Code: protocol.YAMLFileError, Message: "Exported variable " + v.name + " is a secret: it cannot be exported"}}
		}
	}
	p.Variables = append(p.Variables, b.own(in.Resolved)...)
	return p, nil
}

// resolve looks parameters and secrets up, each secret once.
func (s *Service) resolve(ctx context.Context, b Build, vars []variable) ([]protocol.Variable, error) {
	out := make([]protocol.Variable, 0, len(vars))
	secrets := map[string]string{}
	for _, v := range vars {
		r := protocol.Variable{Name: v.name, Value: v.value, Secret: v.kind != plaintext}
		var err error
		switch v.kind {
		case parameterStore:
			r.Value, err = s.parameter(ctx, b, v.value)
		case secretsManager:
			r.Value, err = s.secret(ctx, b, v.value, secrets)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *Service) parameter(ctx context.Context, b Build, name string) (string, error) {
	const code = "Decrypted Variables Error"
	out, err := op.Call(ctx, s.AWS, s.as(b, ""), ssm.GetParameters, &ssm.GetParametersInput{Names: []string{name}, WithDecryption: new(true)})
	if err != nil {
		return "", asRefusal(code, err)
	}
	if len(out.Parameters) == 0 {
		return "", &refusal{protocol.Context{Code: code, Message: "parameter does not exist: " + name}}
	}
	return op.Val(out.Parameters[0].Value), nil
}

// secret reads secret-id[:json-key[:version-stage[:version-id]]].
func (s *Service) secret(ctx context.Context, b Build, reference string, known map[string]string) (string, error) {
	const code = "Secrets Manager Error"
	id, key, stage, version := splitSecret(reference)
	if stage != "" && version != "" {
		return "", &refusal{protocol.Context{Code: code, Message: "either version-stage or version-id can be given, not both: " + reference}}
	}
	at := id + "\x00" + stage + "\x00" + version
	text, ok := known[at]
	if !ok {
		out, err := op.Call(ctx, s.AWS, s.as(b, ""), secretsmanager.GetSecretValue, &secretsmanager.GetSecretValueInput{
			SecretId: new(id), VersionStage: op.Opt(stage), VersionId: op.Opt(version),
		})
		if err != nil {
			return "", asRefusal(code, err)
		}
		text = op.Val(out.SecretString)
		known[at] = text
	}
	if key == "" {
		return text, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return "", &refusal{protocol.Context{Code: code, Message: "the secret " + id + " is not a JSON object, but the key " + key + " is asked for"}}
	}
	raw, ok := members[key]
	if !ok {
		return "", &refusal{protocol.Context{Code: code, Message: "the key " + key + " is not in the secret " + id}}
	}
	var value string
	if json.Unmarshal(raw, &value) == nil {
		return value, nil
	}
	return string(raw), nil // a number or an object, as it is written
}

// splitSecret splits a reference; an ARN takes its first seven fields.
func splitSecret(reference string) (id, key, stage, version string) {
	part := strings.Split(reference, ":")
	n := 1
	if strings.HasPrefix(reference, "arn:") {
		n = min(7, len(part))
	}
	field := func(i int) string {
		if n+i < len(part) {
			return part[n+i]
		}
		return ""
	}
	return strings.Join(part[:n], ":"), field(0), field(1), field(2)
}

// asRefusal words the refusal of another service as CodeBuild does.
func asRefusal(code string, err error) error {
	if e, ok := errors.AsType[*op.Error](err); ok && !e.IsTransient() {
		return &refusal{protocol.Context{Code: code, Message: fmt.Sprintf("%s: %s", e.Code, e.Message)}}
	}
	return err
}
