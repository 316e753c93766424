package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/penstock-ci/penstock/internal/demo"
)

// readers ask at once.
const readers = 20

// secrets counts values that an IAM user reads, who may by a policy: each request is
// signed and verified, authorised, and the value decrypted. The floor is the same
// client with a handler that answers the same bytes and looks at nothing.
func (b *Bench) secrets(ctx context.Context) (rows []Row, err error) {
	s, err := b.running(ctx)
	if err != nil {
		return nil, err
	}
	user, err := s.makeReader(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := b.secretRate(ctx, user)
	if err != nil {
		return nil, err
	}
	url, stop, err := answering(map[string]any{
		"ARN": "arn:aws:secretsmanager:us-east-1:100000000001:secret:bench-AbCdEf", "Name": "bench", "SecretString": secretText,
		"VersionId": "00000000-0000-0000-0000-000000000000", "VersionStages": []string{"AWSCURRENT"}, "CreatedDate": 1700000000.5,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	user.Endpoint = url
	floor, err := b.secretRate(ctx, user)
	if err != nil {
		return nil, err
	}
	return []Row{row("secret", ours, floor)}, nil
}

// secretText is as long as a connection string.
const secretText = "postgres://app:correct-horse-battery-staple@app.abcdefghijkl.us-east-1.rds.amazonaws.com:5432/app?sslmode=verify-full"

func (b *Bench) secretRate(ctx context.Context, user demo.Env) (samples, error) {
	callers, err := newCrowd(ctx, user, readers)
	if err != nil {
		return nil, err
	}
	return b.rate(ctx, readers, func(ctx context.Context, caller int) error {
		out, err := callers.of(caller).Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: new("bench")})
		if err == nil && *out.SecretString != secretText {
			err = fmt.Errorf("GetSecretValue gave %q", *out.SecretString)
		}
		return err
	})
}

// makeReader makes the secret, and a user who may read it and nothing else.
func (s *stack) makeReader(ctx context.Context) (demo.Env, error) {
	made, err := s.aws.Secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: new("bench"), SecretString: new(secretText)})
	if err != nil {
		return demo.Env{}, fmt.Errorf("create the secret: %w", err)
	}
	if _, err := s.aws.IAM.CreateUser(ctx, &iam.CreateUserInput{UserName: new("bench")}); err != nil {
		return demo.Env{}, fmt.Errorf("create the user: %w", err)
	}
	_, err = s.aws.IAM.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: new("bench"), PolicyName: new("bench"), PolicyDocument: new(allows(*made.ARN, "secretsmanager:GetSecretValue")),
	})
	if err != nil {
		return demo.Env{}, fmt.Errorf("write the user's policy: %w", err)
	}
	key, err := s.aws.IAM.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: new("bench")})
	if err != nil {
		return demo.Env{}, fmt.Errorf("create the user's key: %w", err)
	}
	user := s.env
	user.AccessKeyID, user.SecretAccessKey = *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey
	return user, nil
}

// answering serves one JSON answer for every request until stop.
func answering(answer map[string]any) (url string, stop func() error, err error) {
	body, err := json.Marshal(answer)
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write(body) // a client that has gone needs no answer
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	return "http://" + l.Addr().String(), func() error {
		err := server.Close()
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}, nil
}
