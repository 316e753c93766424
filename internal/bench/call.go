package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/internal/op"
)

const (
	calls      = 3000
	firstCalls = 300 // fill caches and do not count
)

// internalCall is the way that services go to each other: GetRole through the
// dispatcher as a role whose policy allows just that. The floor is one prepared SELECT.
func (b *Bench) internalCall(ctx context.Context) (rows []Row, err error) {
	in, err := b.Inside(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	least, err := openBare(ctx, filepath.Join(b.Folder, "call.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, least.close()) }()
	if err := least.commit(ctx, 1); err != nil {
		return nil, err
	}
	role, err := in.makeRole(ctx)
	if err != nil {
		return nil, err
	}
	as := op.As(in.Root.Scope, role, "bench", "codebuild.amazonaws.com", "")
	var ours, floor samples
	for n := range firstCalls + calls {
		took, err := b.timed(func() error {
			_, err := op.Call(ctx, in.Calls, as, iam.GetRole, &iam.GetRoleInput{RoleName: new("bench")})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("call iam:GetRole as %s: %w", role, err)
		}
		tookLeast, err := b.timed(func() error { return least.read(ctx, "1") })
		if err != nil {
			return nil, fmt.Errorf("read by bare SQL: %w", err)
		}
		if n >= firstCalls {
			ours, floor = append(ours, us(took)), append(floor, us(tookLeast))
		}
	}
	return []Row{row("internal-call", ours, floor)}, nil
}

func (in *Inside) makeRole(ctx context.Context) (role string, err error) {
	made, err := op.Call(ctx, in.Calls, in.Root, iam.CreateRole, &iam.CreateRoleInput{
		RoleName: new("bench"), AssumeRolePolicyDocument: new(trusts("codebuild.amazonaws.com")),
	})
	if err != nil {
		return "", fmt.Errorf("create a role: %w", err)
	}
	role = op.Val(made.Role.Arn)
	_, err = op.Call(ctx, in.Calls, in.Root, iam.PutRolePolicy, &iam.PutRolePolicyInput{
		RoleName: new("bench"), PolicyName: new("bench"), PolicyDocument: new(allows(role, "iam:GetRole")),
	})
	if err != nil {
		return "", fmt.Errorf("write the role's policy: %w", err)
	}
	return role, nil
}
