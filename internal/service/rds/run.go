package rds

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const principal = "rds.amazonaws.com"

// self is the caller that the service is when no user's role covers its work.
func (s *Service) self(scope store.Scope, key string) op.Caller {
	return op.As(scope, op.ServiceLinked(scope.Account, principal, "AWSServiceRoleForRDS"), "RDS", principal, key)
}

func (s *Service) event(f engine.Effect, name string, body any) (*engine.Event, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return &engine.Event{ID: f.Name, Name: name, At: s.Clock.Now(), Body: raw}, nil
}

func isCode(err error, codes ...string) bool {
	e, ok := errors.AsType[*op.Error](err)
	if !ok {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// secret keeps a random master password in Secrets Manager. It is read back, as a
// repeat of the effect finds the secret made.
func (s *Service) secret(ctx context.Context, id engine.ID, i Instance, f engine.Effect, token string) (*engine.Event, error) {
	value, err := json.Marshal(map[string]string{"username": i.Username, "password": rand.Text()})
	if err != nil {
		return nil, err
	}
	made, err := op.Call(ctx, s.AWS, s.self(id.Scope, token), secretsmanager.CreateSecret, &secretsmanager.CreateSecretInput{
		Name: new(i.secretName()), SecretString: new(string(value)), ClientRequestToken: new(ids.UUID(i.ARN() + i.ResourceID)),
		Description: new("Secret associated with primary RDS DB instance: " + i.ARN()),
	})
	if err != nil {
		return nil, err
	}
	got, err := op.Call(ctx, s.AWS, s.self(id.Scope, ""), secretsmanager.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: made.ARN})
	if err != nil {
		return nil, err
	}
	var kept struct{ Password string }
	if err := json.Unmarshal([]byte(op.Val(got.SecretString)), &kept); err != nil {
		return nil, engine.Permanent(errors.New("the master user's secret does not hold a password"))
	}
	v, err := verifier(kept.Password)
	if err != nil {
		return nil, err
	}
	return s.event(f, evSecreted, secreted{op.Val(made.ARN), v})
}

// attach makes the database's interface.
func (s *Service) attach(ctx context.Context, id engine.ID, i Instance, f engine.Effect, token string) (*engine.Event, error) {
	out, err := op.Call(ctx, s.AWS, s.self(id.Scope, token), ec2.CreateNetworkInterface, &ec2.CreateNetworkInterfaceInput{
		SubnetId: new(i.Subnet), Groups: i.Groups, Description: new("RDSNetworkInterface"),
	})
	if e, ok := errors.AsType[*op.Error](err); ok && !e.IsServerFault() {
		return nil, engine.Permanent(err) // no address left, a subnet or group that is gone
	}
	if err != nil {
		return nil, err
	}
	n := out.NetworkInterface
	made := attachment{Interface: op.Val(n.NetworkInterfaceId)}
	if made.Address, err = netip.ParseAddr(op.Val(n.PrivateIpAddress)); err != nil {
		return nil, fmt.Errorf("the address of interface %s: %w", made.Interface, err)
	}
	return s.event(f, evAttached, made)
}

// publish makes the endpoint known and waits until it is.
func (s *Service) publish(ctx context.Context, id engine.ID, i Instance, f engine.Effect, _ string) (*engine.Event, error) {
	var number uint64
	err := s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		number = 0
		d, err := instances.Get(ctx, tx, id.Scope, id.Key)
		if errors.Is(err, store.ErrNotFound) || err == nil && (d.Value.Status == deleting || d.Value.ResourceID != i.ResourceID) {
			return nil // remove takes the name away: it must not come back
		}
		if err != nil {
			return err
		}
		number, err = s.Names.PutName(ctx, tx, dataplane.Name{Name: i.host(), Addresses: []netip.Addr{i.Address}})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", i.host(), err)
	}
	if err := s.Plane(ctx, number); err != nil {
		return nil, err
	}
	return s.event(f, evPublished, nil)
}

// apply gives interface and server what was changed: groups and password.
func (s *Service) apply(ctx context.Context, id engine.ID, i Instance, f engine.Effect, token string) (*engine.Event, error) {
	_, err := op.Call(ctx, s.AWS, s.self(id.Scope, token), ec2.ModifyNetworkInterfaceAttribute, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: new(i.Interface), Groups: i.Groups,
	})
	if err != nil {
		return nil, err
	}
	// The verifier stands for the password, so that no process list or log has it.
	code, out, err := s.Pods.Exec(ctx, i.pod(), containerName, []string{
		"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "rdsadmin", "-p", fmt.Sprint(i.Port), "-d", "template1",
		"-c", fmt.Sprintf(`ALTER ROLE "%s" PASSWORD '%s'`, i.Username, i.Verifier),
	})
	if err != nil {
		return nil, fmt.Errorf("set the master password of %s: %w", i.ID, err)
	}
	if code != 0 {
		return nil, fmt.Errorf("set the master password of %s: psql ended with code %d: %s", i.ID, code, strings.ReplaceAll(string(out), i.Verifier, "***"))
	}
	return &engine.Event{ID: f.Name, Name: evApplied, At: s.Clock.Now(), Body: f.Body}, nil
}

// remove takes away all that lies outside: container, interface, name, secret, data.
func (s *Service) remove(ctx context.Context, id engine.ID, i Instance, f engine.Effect, token string) (*engine.Event, error) {
	if err := s.clear(ctx, i, "", 0); err != nil {
		return nil, err
	}
	if i.Interface != "" {
		_, err := op.Call(ctx, s.AWS, s.self(id.Scope, token), ec2.DeleteNetworkInterface, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: new(i.Interface)})
		if err != nil && !isCode(err, "InvalidNetworkInterfaceID.NotFound") {
			return nil, err
		}
	}
	if i.Secret != "" {
		_, err := op.Call(ctx, s.AWS, s.self(id.Scope, token+"/secret"), secretsmanager.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: new(i.Secret), ForceDeleteWithoutRecovery: new(true)})
		if err != nil && !isCode(err, "ResourceNotFoundException") {
			return nil, err
		}
	}
	err := s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := s.Names.DeleteName(ctx, tx, "", i.host())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("forget the name %s: %w", i.host(), err)
	}
	if err := s.erase(i); err != nil {
		return nil, err
	}
	return s.event(f, evRemoved, nil)
}

// erase deletes the data; half deleted it must not be taken for a database.
func (s *Service) erase(i Instance) error {
	tomb := filepath.Join(s.Data, "rds", ".deleted-"+i.ResourceID)
	if err := os.Rename(s.folder(i), tomb); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("put the data of %s aside: %w", i.ID, err)
	}
	if err := os.RemoveAll(tomb); err != nil {
		return fmt.Errorf("delete the data of %s: %w", i.ID, err)
	}
	return nil
}

// forget deletes the document of an instance that has nothing left.
func (s *Service) forget(ctx context.Context, id engine.ID, i Instance, _ engine.Effect, _ string) (*engine.Event, error) {
	return nil, s.DB.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		d, err := instances.Get(ctx, tx, id.Scope, id.Key)
		if errors.Is(err, store.ErrNotFound) || err == nil && d.Value.ResourceID != i.ResourceID {
			return nil
		}
		if err != nil {
			return err
		}
		return instances.Delete(ctx, tx, id.Scope, id.Key, d.Version)
	})
}
