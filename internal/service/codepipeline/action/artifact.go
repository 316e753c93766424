package action

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/op"
)

// MaxArtifact is the largest input that is unpacked here; CodePipeline's own limit
// for artifacts of Git sources.
const MaxArtifact = 1 << 30

// ErrMissing is a file that an artifact does not hold.
var ErrMissing = errors.New("not in the artifact")

// ReadFile is one file of an input artifact, at most limit bytes of it.
func ReadFile(ctx context.Context, aws op.StreamDispatcher, in Input, a Artifact, name string, limit int64) ([]byte, error) {
	_, body, err := op.CallStream(ctx, aws, in.Caller(""), s3.GetObject, &s3.GetObjectInput{Bucket: &a.Bucket, Key: &a.Key}, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	// A zip's directory is at its end; the file is unlinked at once, so that no crash leaves it.
	f, err := os.CreateTemp("", "penstock-artifact-*")
	if err != nil {
		return nil, fmt.Errorf("make room for artifact %s: %w", a.Name, err)
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("unlink artifact %s: %w", a.Name, err)
	}
	n, err := io.Copy(f, io.LimitReader(body, MaxArtifact+1))
	if err != nil {
		return nil, fmt.Errorf("read artifact %s: %w", a.Name, err)
	}
	if n > MaxArtifact {
		return nil, fmt.Errorf("artifact %s is larger than %d bytes: %w", a.Name, MaxArtifact, ErrMissing)
	}
	return unzip(f, n, name, limit)
}

func unzip(r io.ReaderAt, size int64, name string, limit int64) ([]byte, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: it is no zip archive (%v)", ErrMissing, err)
	}
	for _, f := range z.File {
		if f.Name != name && f.Name != "./"+name {
			continue
		}
		rc, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		defer rc.Close()
		b, err := io.ReadAll(io.LimitReader(rc, limit+1))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if int64(len(b)) > limit {
			return nil, fmt.Errorf("%s is larger than %d bytes: %w", name, limit, fs.ErrInvalid)
		}
		return b, nil
	}
	return nil, fmt.Errorf("%s: %w", name, ErrMissing)
}

// PutOutput stores the bytes of an output artifact.
func PutOutput(ctx context.Context, aws op.StreamDispatcher, in Input, a Artifact, body io.Reader) error {
	put := &s3.PutObjectInput{Bucket: &a.Bucket, Key: &a.Key, ContentType: new("application/zip")}
	_, rc, err := op.CallStream(ctx, aws, in.Caller(in.ID), s3.PutObject, put, body)
	if rc != nil {
		err = errors.Join(err, rc.Close())
	}
	return err
}

// StoreDenied is the failure of an action whose role may not use the artifact store.
func StoreDenied(bucket string, err error) Report {
	e, ok := errors.AsType[*op.Error](err)
	if !ok {
		return Fail(PermissionError, "%v", err)
	}
	return Fail(PermissionError, "The service role or action role doesn't have the permissions required to access the Amazon S3 bucket named %s. "+
		"Update the IAM role permissions, and then try again. Error: Amazon S3:%s:%s", bucket, e.Code, e.Message)
}
