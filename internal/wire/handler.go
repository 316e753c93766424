package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"syscall"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// ServeHTTP is the way of a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, m := range s.cfg.Mounts {
		if m.Match(r) {
			m.Handler.ServeHTTP(w, r)
			return
		}
	}
	c := &call{r: r, id: ids.UUID(""), query: r.URL.Query(), protocol: model.RESTXML, version: contentType(r)}
	h := w.Header()
	h.Set("X-Amzn-Requestid", c.id)
	var f *refusal
	c.auth, f = readAuth(r, c.query)
	if routed := s.route(c); routed != nil {
		f = routed
	}
	if c.protocol == model.RESTXML {
		h.Set("X-Amz-Request-Id", storageID(c.id))
		h.Set("X-Amz-Id-2", hostID(c.id))
	}
	if f != nil && s.cfg.NoAuth == nil {
		s.nameIt(c)
		s.refuse(w, c, f.in(c))
		return
	}
	if err := s.handle(w, c); err != nil {
		s.fail(w, c, err)
	}
}

// contentType is the JSON version that the client speaks, which is echoed.
func contentType(r *http.Request) string {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.0") {
		return "application/x-amz-json-1.0"
	}
	return "application/x-amz-json-1.1"
}

// fail renders what went wrong: AWS's errors as they are, a full disk by name, all else
// as an internal failure whose cause only the log has.
func (s *Server) fail(w http.ResponseWriter, c *call, err error) {
	var e *op.Error
	if errors.As(err, &e) {
		if e.Code == "InvalidAction" && c.op != nil { // generated, but no handler is registered
			e = (&refusal{kind: unknownOperation}).in(c)
		}
		s.refuse(w, c, e)
		return
	}
	if c.r.Context().Err() != nil {
		s.cfg.Log.Debug("client left", slog.String("request", c.id), slog.String("operation", c.name))
		return
	}
	s.cfg.Log.Error("request failed", slog.String("request", c.id), slog.String("operation", c.name), slog.Any("error", err))
	if errors.Is(err, syscall.ENOSPC) {
		s.refuse(w, c, &op.Error{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable, Message: "The disk of the server is full, so nothing of this request was done. Make room where penstock doctor says, then try again. Request id " + c.id})
		return
	}
	code := "InternalFailure"
	if c.protocol == model.RESTXML || c.protocol == model.EC2 {
		code = "InternalError"
	}
	s.refuse(w, c, &op.Error{Code: code, Status: http.StatusInternalServerError, Message: "An internal error has occurred. Request id " + c.id + "; the cause is in the server's log."})
}

// nameIt finds the service of an unsigned form, so that the refusal has its shape.
func (s *Server) nameIt(c *call) {
	if c.svc != nil || !isForm(c.r) {
		return
	}
	body, err := readWhole(c.r.Body, maxUnsigned)
	if err != nil {
		return
	}
	if c.form, err = url.ParseQuery(string(body)); err == nil {
		_ = s.resolve(c) // the refusal at hand is told, not this one
	}
}

// handle verifies, decodes, invokes and answers.
func (s *Server) handle(w http.ResponseWriter, c *call) error {
	if c.protocol == model.RESTXML && c.svc != nil {
		return s.handleRest(w, c)
	}
	limit := int64(maxBody)
	if c.auth.scheme == unsigned && s.cfg.NoAuth == nil {
		limit = maxUnsigned
	}
	body, err := readWhole(c.r.Body, limit)
	if errors.Is(err, errTooLarge) {
		return (&refusal{kind: tooLarge}).in(c)
	}
	if err != nil {
		return err
	}
	c.body = body
	if c.protocol == model.Query || c.protocol == model.EC2 || isForm(c.r) {
		if c.form, err = url.ParseQuery(string(body)); err != nil {
			return (&refusal{kind: badInput, detail: "The form cannot be read: " + err.Error()}).in(c)
		}
		for name, values := range c.query {
			if !c.form.Has(name) {
				c.form[name] = values
			}
		}
	}
	unknown := s.resolve(c)
	caller, err := s.admit(c)
	if err != nil {
		return err
	}
	if unknown != nil {
		return unknown.in(c)
	}
	in, err := s.decode(c)
	if err != nil {
		return err
	}
	return s.invoke(w, c, caller, in, nil)
}

// admit verifies the signature over a body that was read whole.
func (s *Server) admit(c *call) (op.Caller, error) {
	if c.auth.scheme == unsigned && c.op != nil && c.op.Anonymous {
		return s.complete(c, op.Caller{}), nil
	}
	if s.cfg.NoAuth != nil {
		return s.complete(c, *s.cfg.NoAuth), nil
	}
	sum := sha256.Sum256(c.body)
	payload := hex.EncodeToString(sum[:])
	if h := c.r.Header.Get(contentSHA); h == unsignedPayload {
		payload = h
	}
	caller, _, f, err := s.verify.check(c.r.Context(), c, payload)
	if err != nil {
		return op.Caller{}, err
	}
	if f != nil {
		return op.Caller{}, f.in(c)
	}
	return s.complete(c, caller), nil
}

// complete adds what wire knows of a caller.
func (s *Server) complete(c *call, caller op.Caller) op.Caller {
	caller.Region = c.auth.region
	if caller.Region == "" {
		caller.Region = s.cfg.Region
	}
	caller.RequestID = c.id
	caller.Origin = Origin(c.r.Context())
	caller.Origin.UserAgent = c.r.UserAgent()
	caller.Origin.TLS = c.r.TLS != nil
	return caller
}

func (s *Server) decode(c *call) (any, error) {
	in := c.op.NewIn()
	if c.form != nil {
		d := formDecoder{&s.layouts, c.protocol == model.EC2}
		if err := d.decode(c.form, in); err != nil {
			return nil, (&refusal{kind: badValue, detail: err.Error()}).in(c)
		}
		return in, nil
	}
	if len(c.body) == 0 {
		return in, nil
	}
	if err := json.Unmarshal(c.body, in); err != nil {
		return nil, (&refusal{kind: badInput, detail: jsonDetail(err)}).in(c)
	}
	return in, nil
}

// jsonDetail tells a decoding error without Go's names for types.
func jsonDetail(err error) string {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return "The value at " + or(t.Field, "the top") + " cannot be a JSON " + t.Value
	}
	return "The request's JSON cannot be read: " + strings.TrimPrefix(err.Error(), "json: ")
}

// handleRest is handle for S3, whose bodies may be streams.
func (s *Server) handleRest(w http.ResponseWriter, c *call) error {
	payload, e := storagePayload(c)
	if e != nil && s.cfg.NoAuth == nil {
		return e
	}
	var caller op.Caller
	var sig *signer
	if s.cfg.NoAuth != nil {
		payload = c.r.Header.Get(contentSHA)
		caller = *s.cfg.NoAuth
	} else {
		var f *refusal
		var err error
		if caller, sig, f, err = s.verify.check(c.r.Context(), c, payload); err != nil {
			return err
		}
		if f != nil {
			return f.in(c)
		}
	}
	caller = s.complete(c, caller)
	if f := s.resolve(c); f != nil {
		return f.in(c)
	}
	body, e := openBody(c.r, payload, sig, c.op.StreamIn || c.op.ChecksumNeeds)
	if e != nil {
		return e
	}
	if c.op.ChecksumNeeds && body.sum.isEmpty() && payload != "" && !isDigest(payload) {
		return badRequest("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	in := c.op.NewIn()
	v := reflect.ValueOf(in).Elem()
	if err := s.layouts.bindRequest(c, v); err != nil {
		return (&refusal{kind: badValue, detail: err.Error()}).in(c)
	}
	if c.op.StreamIn {
		if body.want < 0 {
			return &op.Error{Code: "MissingContentLength", Status: http.StatusLengthRequired, Message: missingLength}
		}
		return s.invoke(w, c, caller, in, body)
	}
	if err := s.readRest(c, body, v); err != nil {
		return err
	}
	return s.invoke(w, c, caller, in, nil)
}

func (s *Server) readRest(c *call, body *body, in reflect.Value) error {
	all, err := readWhole(body, maxBody)
	if errors.Is(err, errTooLarge) {
		return (&refusal{kind: tooLarge}).in(c)
	}
	if err != nil {
		return err
	}
	if err := s.layouts.bindBody(all, in); err != nil {
		return (&refusal{kind: badInput}).in(c)
	}
	return nil
}

// invoke hands the operation over and writes its answer. An error after the answer
// began can only cut the connection.
func (s *Server) invoke(w http.ResponseWriter, c *call, caller op.Caller, in any, body io.Reader) error {
	out, stream, err := s.cfg.Dispatch.InvokeStream(c.r.Context(), caller, c.svc.Name, c.name, in, body)
	if err != nil {
		return err
	}
	if stream != nil {
		defer stream.Close()
	}
	if err := s.answer(w, c, out, stream); err != nil {
		s.cfg.Log.Debug("answer cut", slog.String("request", c.id), slog.String("operation", c.name), slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
	return nil
}
