package ecs

import (
	"errors"
	"strings"

	"github.com/penstock-ci/penstock/internal/arn"
)

// secretRef is what valueFrom means: a secret (with an optional key of its JSON, stage
// and version) or a parameter.
type secretRef struct {
	Secret              string // ARN of a secret
	Key, Stage, Version string
	Parameter           string // name or ARN of a parameter
}

func isSecretsManager(valueFrom string) bool {
	a, ok := arn.Parse(valueFrom)
	return ok && a.Service == "secretsmanager"
}

// parseSecret reads valueFrom. A secret's ARN ends in secret:NAME, or in
// secret:NAME:json-key:stage:version with all three colons.
func parseSecret(valueFrom string) (secretRef, error) {
	if valueFrom == "" {
		return secretRef{}, errors.New("valueFrom is empty")
	}
	if !isSecretsManager(valueFrom) {
		return secretRef{Parameter: valueFrom}, nil
	}
	a, _ := arn.Parse(valueFrom)
	p := strings.Split(a.Resource, ":")
	if p[0] != "secret" || len(p) != 2 && len(p) != 5 || p[1] == "" {
		return secretRef{}, errors.New("invalid ARN format for the AWS Secrets Manager secret, expected arn:aws:secretsmanager:region:account:secret:name or …:secret:name:json-key:version-stage:version-id")
	}
	a.Resource = p[0] + ":" + p[1]
	ref := secretRef{Secret: a.String()}
	if len(p) == 5 {
		ref.Key, ref.Stage, ref.Version = p[2], p[3], p[4]
	}
	if ref.Stage != "" && ref.Version != "" {
		return secretRef{}, errors.New("a version stage and a version id exclude each other")
	}
	return ref, nil
}
