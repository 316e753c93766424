package balance

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/penstock-ci/penstock/internal/dataplane/socket"
)

// isReplayable: sending r twice does the same as once.
func isReplayable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody
	}
	return false
}

// maxKept bounds the bodies that are read before the target is chosen, so that
// they can be sent again where the first connection took none of it.
const maxKept = 64 << 10

// keep reads a small body into memory. A larger or open-ended one is streamed:
// its request has one try once a connection stands.
func keep(r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return
	}
	if r.ContentLength < 0 || r.ContentLength > maxKept || r.Header.Get("Expect") != "" {
		r.Body = &unread{ReadCloser: r.Body}
		return
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, r.ContentLength))
	if err != nil || int64(len(b)) < r.ContentLength {
		// The client broke off: what is left of the body says so to the target.
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(b), broken{err}))
		return
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	r.Body, _ = r.GetBody()
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.ErrUnexpectedEOF
}

// unread is a body that knows whether any of it went out. A failed connect
// closes it; the client's connection stays open for the next try.
type unread struct {
	io.ReadCloser
	mu   sync.Mutex
	used bool
}

func (u *unread) Read(p []byte) (int, error) {
	u.mu.Lock()
	u.used = true
	u.mu.Unlock()
	return u.ReadCloser.Read(p)
}

func (u *unread) Close() error { return nil } // the server closes its own request body

func (u *unread) isUsed() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.used
}

// mayRetry: no connection came about, or the request may be sent twice. A
// target that was silent for too long is not asked again.
func mayRetry(r *http.Request, err error, replayable bool) bool {
	var dial *socket.DialError
	if errors.As(err, &dial) {
		body, streamed := r.Body.(*unread)
		return !streamed || !body.isUsed()
	}
	return replayable && !errors.As(err, &errIdle{})
}

// counted calls done once when the body is closed. An upgraded connection's
// body can be written to, and stays so.
func counted(body io.ReadCloser, done func()) io.ReadCloser {
	c := &countedBody{ReadCloser: body, done: sync.OnceFunc(done)}
	if w, ok := body.(io.Writer); ok {
		return struct {
			*countedBody
			io.Writer
		}{c, w}
	}
	return c
}

type countedBody struct {
	io.ReadCloser
	done func()
}

func (c *countedBody) Close() error {
	defer c.done()
	return c.ReadCloser.Close()
}

// buffers are reused between responses.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
