package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// ServeHTTP is the way of a request: mounted handlers, authorization, service,
// body, signature, operation, input, dispatcher, answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, m := range s.cfg.Mounts {
		if m.Match(r) {
			m.Handler.ServeHTTP(w, r)
			return
		}
	}
	c := &call{r: r, id: ids.UUID(""), query: r.URL.Query(), version: "application/x-amz-json-1.1"}
	if t := r.Header.Get("Content-Type"); strings.HasPrefix(t, "application/x-amz-json-") {
		c.version, _, _ = strings.Cut(t, ";")
	}
	out, body, err := s.serveCall(w, c)
	if err != nil {
		s.refuse(w, c, err)
		return
	}
	s.answer(w, c, out, body)
}

// serveCall is everything up to the answer. The error is an *op.Error, or a failure.
func (s *Server) serveCall(w http.ResponseWriter, c *call) (out any, answer io.ReadCloser, err error) {
	var f *refusal
	if c.auth, f = readAuth(c.r, c.query); f != nil {
		s.route(c)
		return nil, nil, f.in(c)
	}
	if f := s.route(c); f != nil {
		return nil, nil, f.in(c)
	}
	body, caller, err := s.admit(w, c)
	if err != nil {
		return nil, nil, err
	}
	if f := s.resolve(c); f != nil {
		return nil, nil, f.in(c)
	}
	in := c.op.NewIn()
	if f := c.decode(in); f != nil {
		return nil, nil, f.in(c)
	}
	if !c.op.StreamIn {
		body = nil
	}
	return s.dispatch(c, caller, in, body)
}

func (s *Server) dispatch(c *call, caller op.Caller, in any, body io.Reader) (any, io.ReadCloser, error) {
	out, answer, err := s.cfg.Dispatch.InvokeStream(c.r.Context(), caller, c.svc.Name, c.op.Name, in, body)
	if refused, ok := errors.AsType[*op.Error](err); ok && refused.Code == "InvalidAction" {
		return nil, nil, (&refusal{kind: unknownOperation}).in(c)
	}
	return out, answer, err
}

// admit verifies the request and reads its body, whole or as a stream that
// verifies itself.
func (s *Server) admit(w http.ResponseWriter, c *call) (io.Reader, op.Caller, error) {
	isStorage := c.protocol == model.RESTXML
	streams := isStorage && c.op != nil && c.op.StreamIn
	if !streams {
		limit := int64(maxBody)
		if c.auth.scheme == unsigned && s.cfg.NoAuth == nil {
			limit = maxUnsigned
		}
		if f := c.readBody(w, limit); f != nil {
			return nil, op.Caller{}, f.in(c)
		}
	}
	payload, f := c.payloadHash(streams)
	if f != nil {
		return nil, op.Caller{}, f.in(c)
	}
	caller, signer, err := s.who(c, payload)
	if err != nil {
		return nil, op.Caller{}, err
	}
	if !isStorage {
		return nil, caller, nil
	}
	body, err := newBody(c, signer, payload, streams)
	if err != nil || streams {
		return body, caller, err
	}
	// Small bodies are read to their end here, so that what is wrong with one is known.
	c.body, err = io.ReadAll(body)
	return nil, caller, err
}

// who is the verified caller.
func (s *Server) who(c *call, payload string) (caller op.Caller, signer *signer, err error) {
	switch {
	case s.cfg.NoAuth != nil:
		caller = *s.cfg.NoAuth
	case c.auth.scheme == unsigned && s.isAnonymous(c):
		caller = op.Caller{ARN: "anonymous"}
	default:
		var f *refusal
		if caller, signer, f, err = s.verify.check(c.r.Context(), c, payload); err != nil {
			return caller, nil, err
		}
		if f != nil {
			return caller, nil, f.in(c)
		}
	}
	caller.Region = c.auth.region
	if caller.Region == "" {
		caller.Region = s.cfg.Region
	}
	caller.RequestID = c.id
	caller.Origin = origin(c.r.Context())
	caller.Origin.UserAgent, caller.Origin.TLS = c.r.UserAgent(), c.r.TLS != nil
	return caller, signer, nil
}

// isAnonymous tells whether the operation needs no signature.
func (s *Server) isAnonymous(c *call) bool {
	svc, name := c.svc, c.name
	if c.form != nil {
		name = c.form.Get("Action")
		if svc == nil {
			svc = s.services.byAction(c.form.Get("Version"), name)
		}
	}
	if svc == nil {
		return false
	}
	o := svc.Op(name)
	return o != nil && o.Anonymous
}

// decode fills the input from what the protocol says lies where.
func (c *call) decode(in any) *refusal {
	switch c.protocol {
	case model.Query, model.EC2:
		return decodeForm(in, c.form, c.protocol == model.EC2)
	case model.RESTXML:
		return c.decodeREST(in)
	}
	body := c.body
	if len(strings.TrimSpace(string(body))) == 0 {
		body = []byte("{}")
	}
	if err := json.Unmarshal(body, in); err != nil {
		return &refusal{kind: badInput, detail: jsonProblem(err)}
	}
	return nil
}

// jsonProblem words a JSON error for its writer.
func jsonProblem(err error) string {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "Unexpected " + t.Value + " at '" + t.Field + "'"
	}
	return "The request body is not valid JSON: " + err.Error()
}

// readBody reads the body whole; of query protocols it becomes the form.
func (c *call) readBody(w http.ResponseWriter, limit int64) *refusal {
	b, err := io.ReadAll(http.MaxBytesReader(w, c.r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &refusal{kind: tooLarge}
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return &refusal{kind: badInput, detail: "The request body could not be read: " + err.Error()}
	}
	c.body = b
	if c.protocol != model.Query && c.protocol != model.EC2 && !(c.svc == nil && isForm(c.r)) {
		return nil
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return &refusal{kind: badInput, detail: "The request body is not a form: " + err.Error()}
	}
	for name, values := range c.query { // GET is allowed, and a body with Action in the URL
		if !form.Has(name) {
			form[name] = values
		}
	}
	c.form = form
	return nil
}
