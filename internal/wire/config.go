package wire

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// Credentials finds the secret of an access key. It fails with an *op.Error whose
// Code is InvalidClientTokenId (no such key, or the token is not the key's own) or
// ExpiredToken; wire gives them the form of the protocol.
type Credentials interface {
	Lookup(ctx context.Context, accessKeyID, token string) (secret string, caller op.Caller, err error)
}

// Dispatcher is where decoded operations go. body is the stream of operations that
// have one, else nil; the ReadCloser is the answer's stream or nil.
type Dispatcher interface {
	InvokeStream(ctx context.Context, c op.Caller, service, name string, in any, body io.Reader) (any, io.ReadCloser, error)
}

// Mount is a handler that takes requests before they are looked at as AWS calls:
// the registry, Git, the control addresses.
type Mount struct {
	Match   func(*http.Request) bool
	Handler http.Handler
}

// Config is what a Server needs.
type Config struct {
	Services     []*model.Service
	Credentials  Credentials
	Dispatch     Dispatcher
	Clock        clock.Clock
	Log          *slog.Logger
	Mounts       []Mount
	Certificates func(*tls.ClientHelloInfo) (*tls.Certificate, error) // nil: no TLS
	Region       string                                               // of requests that name none: anonymous ones, SigV2
	NoAuth       *op.Caller                                           // whom every request is taken for, unverified; nil: signatures are verified
}

// maxBody bounds bodies that are read whole: RunTask and PutLogEvents are at most
// 1 MiB on AWS, ecr:UploadLayerPart 20 MiB in base64.
const maxBody = 32 << 20

// maxUnsigned bounds the body of a request that carries no signature: it is read
// only to name the operation in the refusal.
const maxUnsigned = 64 << 10
