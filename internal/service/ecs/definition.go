package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

// Definition is one revision of a task definition. It keeps the API's own structure:
// every field that was sent comes back, also those that nothing here reads.
type Definition struct {
	store.Scope
	API  api.TaskDefinition
	Tags []Tag
}

// Family numbers the revisions of a name; numbers are never used again.
type Family struct {
	Name string
	Last int32
}

// definitionKey sorts revisions by number.
func definitionKey(family string, revision int32) string {
	return fmt.Sprintf("%s:%09d", family, revision)
}

func definitionARN(s store.Scope, family string, revision int32) string {
	return arn.New("ecs", s.Region, s.Account, fmt.Sprintf("task-definition/%s:%d", family, revision))
}

func (d *Definition) arn() string      { return *d.API.TaskDefinitionArn }
func (d *Definition) status() string   { return *d.API.Status }
func (d *Definition) family() string   { return *d.API.Family }
func (d *Definition) key() string      { return definitionKey(*d.API.Family, *d.API.Revision) }
func (d *Definition) revision() string { return fmt.Sprintf("%s:%d", *d.API.Family, *d.API.Revision) }

func (c *Control) registerTaskDefinition(ctx context.Context, tx store.Tx, by op.Caller, in *api.RegisterTaskDefinitionInput) (*api.RegisterTaskDefinitionOutput, error) {
	if err := checkDefinition(in); err != nil {
		return nil, err
	}
	for _, role := range []*string{in.ExecutionRoleArn, in.TaskRoleArn} {
		if op.Val(role) != "" {
			if err := c.mayPass(ctx, tx, by, roleARN(by.Account, *role)); err != nil {
				return nil, err
			}
		}
	}
	family := *in.Family
	f, err := c.families.Get(ctx, tx, by.Scope, family)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read family %s: %w", family, err)
	}
	f.Value.Name, f.Value.Last = family, f.Value.Last+1
	d := Definition{Scope: by.Scope, API: materialise(in), Tags: tagsIn(in.Tags)}
	d.API.Revision = new(f.Value.Last)
	d.API.TaskDefinitionArn = new(definitionARN(by.Scope, family, f.Value.Last))
	d.API.RegisteredAt, d.API.RegisteredBy = op.At(c.Clock.Now()), op.Opt(by.ARN)
	if err := c.mayTag(ctx, tx, by, in.Tags, d.arn(), "RegisterTaskDefinition"); err != nil {
		return nil, err
	}
	if _, err := c.families.Put(ctx, tx, by.Scope, family, f.Value, f.Version); err != nil {
		return nil, fmt.Errorf("count family %s: %w", family, err)
	}
	if _, err := c.definitions.Put(ctx, tx, by.Scope, d.key(), d, 0); err != nil {
		return nil, fmt.Errorf("write task definition %s: %w", d.revision(), err)
	}
	return &api.RegisterTaskDefinitionOutput{TaskDefinition: &d.API, Tags: tagsOut(d.Tags)}, nil
}

// roleARN makes the ARN of a role that was given by name or by ARN.
func roleARN(account, ref string) string {
	if strings.HasPrefix(ref, "arn:") {
		return ref
	}
	return "arn:aws:iam::" + account + ":role/" + ref
}

// definition finds what ref means: an ARN, family:revision, or a family, which is its
// newest ACTIVE revision. store.ErrNotFound where there is none.
func (c *Control) definition(ctx context.Context, r store.Reader, s store.Scope, ref string) (store.Doc[Definition], error) {
	family, revision, hasRevision := strings.Cut(nameOf(ref), ":")
	if hasRevision {
		n, err := strconv.ParseInt(revision, 10, 32)
		if err != nil {
			return store.Doc[Definition]{}, api.ClientException("Invalid revision number. Number: %s", revision)
		}
		return c.definitions.Get(ctx, r, s, definitionKey(family, int32(n)))
	}
	var newest string
	_, err := all(ctx, r, c.definitions, s, "", family+":", func(d Definition) bool {
		if d.family() == family && d.status() == "ACTIVE" {
			newest = d.key()
		}
		return false
	})
	if err != nil {
		return store.Doc[Definition]{}, err
	}
	if newest == "" {
		return store.Doc[Definition]{}, fmt.Errorf("active revision of family %s: %w", family, store.ErrNotFound)
	}
	return c.definitions.Get(ctx, r, s, newest)
}

// usable is a definition that something new may be started from.
func (c *Control) usable(ctx context.Context, r store.Reader, s store.Scope, ref string) (Definition, error) {
	d, err := c.definition(ctx, r, s, ref)
	if errors.Is(err, store.ErrNotFound) {
		return d.Value, api.ClientException("TaskDefinition not found.")
	}
	if err == nil && d.Value.status() != "ACTIVE" {
		return d.Value, api.ClientException("TaskDefinition is inactive")
	}
	return d.Value, err
}

func (c *Control) describeTaskDefinition(ctx context.Context, r store.Reader, by op.Caller, in *api.DescribeTaskDefinitionInput) (*api.DescribeTaskDefinitionOutput, error) {
	d, err := c.definition(ctx, r, by.Scope, *in.TaskDefinition)
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ClientException("Unable to describe task definition.")
	}
	if err != nil {
		return nil, err
	}
	out := &api.DescribeTaskDefinitionOutput{TaskDefinition: &d.Value.API, Tags: []api.Tag{}}
	if slices.Contains(in.Include, "TAGS") {
		out.Tags = tagsOut(d.Value.Tags)
	}
	return out, nil
}

func (c *Control) listTaskDefinitions(ctx context.Context, r store.Reader, by op.Caller, in *api.ListTaskDefinitionsInput) (*api.ListTaskDefinitionsOutput, error) {
	status, family := op.Or(in.Status, "ACTIVE"), op.Val(in.FamilyPrefix)
	var names []string
	_, err := all(ctx, r, c.definitions, by.Scope, "", family, func(d Definition) bool {
		if d.status() == status && (family == "" || d.family() == family) {
			names = append(names, d.arn())
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	if op.Val(in.Sort) == "DESC" {
		slices.Reverse(names)
	}
	names, next, err := page(names, in.NextToken, in.MaxResults, 100)
	return &api.ListTaskDefinitionsOutput{TaskDefinitionArns: names, NextToken: next}, err
}

func (c *Control) listTaskDefinitionFamilies(ctx context.Context, r store.Reader, by op.Caller, in *api.ListTaskDefinitionFamiliesInput) (*api.ListTaskDefinitionFamiliesOutput, error) {
	status := op.Or(in.Status, "ALL")
	isActive := map[string]bool{}
	_, err := all(ctx, r, c.definitions, by.Scope, "", op.Val(in.FamilyPrefix), func(d Definition) bool {
		isActive[d.family()] = isActive[d.family()] || d.status() == "ACTIVE"
		return false
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for name, active := range isActive {
		if status == "ALL" || active == (status == "ACTIVE") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names, next, err := page(names, in.NextToken, in.MaxResults, 100)
	return &api.ListTaskDefinitionFamiliesOutput{Families: names, NextToken: next}, err
}

func (c *Control) deregisterTaskDefinition(ctx context.Context, tx store.Tx, by op.Caller, in *api.DeregisterTaskDefinitionInput) (*api.DeregisterTaskDefinitionOutput, error) {
	if !strings.Contains(nameOf(*in.TaskDefinition), ":") {
		return nil, api.ClientException("Revision is missing. Specify the full task definition, including the revision.")
	}
	d, err := c.definition(ctx, tx, by.Scope, *in.TaskDefinition)
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ClientException("Unable to describe task definition.")
	}
	if err != nil {
		return nil, err
	}
	if d.Value.status() == "ACTIVE" {
		d.Value.API.Status, d.Value.API.DeregisteredAt = new("INACTIVE"), op.At(c.Clock.Now())
		if _, err := c.definitions.Put(ctx, tx, by.Scope, d.Key, d.Value, d.Version); err != nil {
			return nil, fmt.Errorf("deregister task definition %s: %w", d.Key, err)
		}
	}
	return &api.DeregisterTaskDefinitionOutput{TaskDefinition: &d.Value.API}, nil
}

func (c *Control) deleteTaskDefinitions(ctx context.Context, tx store.Tx, by op.Caller, in *api.DeleteTaskDefinitionsInput) (*api.DeleteTaskDefinitionsOutput, error) {
	if len(in.TaskDefinitions) > 10 {
		return nil, api.InvalidParameterException("The number of task definitions cannot exceed 10.")
	}
	out := &api.DeleteTaskDefinitionsOutput{TaskDefinitions: []api.TaskDefinition{}, Failures: []api.Failure{}}
	for _, ref := range in.TaskDefinitions {
		d, err := c.definition(ctx, tx, by.Scope, ref)
		if errors.Is(err, store.ErrNotFound) {
			out.Failures = append(out.Failures, missing(by, ref, "task-definition/"+ref))
			continue
		}
		if err != nil {
			return nil, err
		}
		if d.Value.status() == "ACTIVE" {
			out.Failures = append(out.Failures, api.Failure{Arn: new(d.Value.arn()), Reason: new("The specified task definition is still in ACTIVE status. Please deregister the target and try again.")})
			continue
		}
		d.Value.API.Status, d.Value.API.DeleteRequestedAt = new("DELETE_IN_PROGRESS"), op.At(c.Clock.Now())
		if _, err := c.definitions.Put(ctx, tx, by.Scope, d.Key, d.Value, d.Version); err != nil {
			return nil, fmt.Errorf("delete task definition %s: %w", d.Key, err)
		}
		out.TaskDefinitions = append(out.TaskDefinitions, d.Value.API)
	}
	return out, nil
}
