package wire

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// answer renders the output of an operation that went well.
func (s *Server) answer(w http.ResponseWriter, c *call, out any, body io.ReadCloser) {
	if body != nil {
		defer body.Close()
	}
	switch c.protocol {
	case model.Query:
		s.write(w, c, http.StatusOK, "text/xml", queryAnswer(c, out))
	case model.EC2:
		s.write(w, c, http.StatusOK, "text/xml;charset=UTF-8", ec2Answer(c, out))
	case model.RESTXML:
		s.restAnswer(w, c, out, body)
	default:
		b, err := json.Marshal(out)
		if err != nil {
			s.refuse(w, c, err)
			return
		}
		s.write(w, c, http.StatusOK, c.version, b)
	}
}

func queryAnswer(c *call, out any) []byte {
	w := &xmlWriter{item: "member"}
	w.open(c.name+"Response", "xmlns", c.svc.Namespace)
	if c.op.Root != "" {
		w.open(c.op.Root)
		w.members(reflect.ValueOf(out).Elem())
		w.close(c.op.Root)
	}
	w.open("ResponseMetadata")
	w.leaf("RequestId", c.id)
	w.close("ResponseMetadata")
	w.close(c.name + "Response")
	return w.Bytes()
}

func ec2Answer(c *call, out any) []byte {
	w := &xmlWriter{item: "item"}
	w.open(c.name+"Response", "xmlns", c.svc.Namespace)
	w.leaf("requestId", c.id)
	v := reflect.ValueOf(out).Elem()
	if v.NumField() == 0 {
		w.leaf("return", "true")
	}
	w.members(v)
	w.close(c.name + "Response")
	return w.Bytes()
}

// restAnswer puts the output's members where its tags say, and copies the stream.
func (s *Server) restAnswer(w http.ResponseWriter, c *call, out any, body io.ReadCloser) {
	v := reflect.ValueOf(out).Elem()
	status := c.op.Status
	if status == 0 {
		status = http.StatusOK
	}
	setHeaders(w.Header(), v)
	if w.Header().Get("Content-Range") != "" {
		status = http.StatusPartialContent
	}
	if body != nil || c.op.StreamOut || c.r.Method == http.MethodHead {
		s.head(w, c)
		w.WriteHeader(status)
		if body == nil || c.r.Method == http.MethodHead {
			return
		}
		if _, err := io.Copy(w, body); err != nil {
			// The client sees the answer cut off, not a shorter object.
			s.cfg.Log.Warn("an answer's stream ended early", "operation", c.name, "request", c.id, "error", err)
			panic(http.ErrAbortHandler)
		}
		return
	}
	kind, b := restBody(c, v)
	if status == http.StatusNoContent {
		b = nil
	}
	s.write(w, c, status, kind, b)
}

// setHeaders writes the members that travel as headers.
func setHeaders(h http.Header, v reflect.Value) {
	for i := range v.NumField() {
		field, tag := v.Field(i), model.ParseTag(v.Type().Field(i).Tag)
		switch {
		case tag.HasHeaders && field.Kind() == reflect.Map:
			for _, k := range field.MapKeys() {
				h.Set(tag.Headers+k.String(), field.MapIndex(k).String())
			}
		case tag.Header == "" || field.IsZero():
		case field.Kind() == reflect.Pointer:
			h.Set(tag.Header, text(field.Elem(), tag, "rfc822"))
		case field.Kind() == reflect.Slice:
			var parts []string
			for j := range field.Len() {
				parts = append(parts, text(field.Index(j), tag, "rfc822"))
			}
			h.Set(tag.Header, strings.Join(parts, ","))
		}
	}
}

// restBody is the body: the payload member, or the members that are left under the
// operation's root element.
func restBody(c *call, v reflect.Value) (kind string, b []byte) {
	w := &xmlWriter{item: "member"}
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	if c.name == "GetBucketLocation" { // the one answer whose root element is its value
		w.open("LocationConstraint", "xmlns", c.svc.Namespace)
		if p, ok := v.Field(0).Interface().(*string); ok && p != nil {
			w.escaped(*p)
		}
		w.close("LocationConstraint")
		return "application/xml", w.Bytes()
	}
	inBody := false
	for i := range v.NumField() {
		field, tag := v.Field(i), model.ParseTag(v.Type().Field(i).Tag)
		inBody = inBody || tag.InBody()
		if !tag.Payload || field.Kind() != reflect.Pointer || field.IsNil() {
			continue
		}
		if field.Elem().Kind() == reflect.String {
			return "application/json", []byte(field.Elem().String())
		}
		name := tag.Name
		w.open(name, "xmlns", c.svc.Namespace)
		w.members(field.Elem())
		w.close(name)
		return "application/xml", w.Bytes()
	}
	if !inBody || c.op.Root == "" {
		return "", nil
	}
	w.open(c.op.Root, "xmlns", c.svc.Namespace)
	w.members(v)
	w.close(c.op.Root)
	return "application/xml", w.Bytes()
}

// refuse renders an error in the protocol's form. What is no AWS error becomes an
// internal failure: the client gets the request id, the log the cause.
func (s *Server) refuse(w http.ResponseWriter, c *call, err error) {
	e, ok := errors.AsType[*op.Error](err)
	if !ok {
		if c.r.Context().Err() == nil {
			s.cfg.Log.Error("an operation failed", "operation", c.name, "request", c.id, "error", err)
		}
		e = internalFailure(c.protocol)
	}
	x := &xmlWriter{}
	switch c.protocol {
	case model.Query:
		queryError(x, c, e)
		s.write(w, c, e.HTTPStatus(), "text/xml", x.Bytes())
	case model.EC2:
		x.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
		x.open("Response")
		x.open("Errors")
		x.open("Error")
		x.leaf("Code", e.Code)
		x.leaf("Message", e.Message)
		x.close("Error")
		x.close("Errors")
		x.leaf("RequestID", c.id)
		x.close("Response")
		s.write(w, c, e.HTTPStatus(), "text/xml;charset=UTF-8", x.Bytes())
	case model.RESTXML:
		s.restError(w, c, e, x)
	default:
		s.jsonError(w, c, e)
	}
}

func internalFailure(p model.Protocol) *op.Error {
	code := "InternalFailure"
	if p == model.EC2 || p == model.RESTXML {
		code = "InternalError"
	}
	return &op.Error{Code: code, Status: http.StatusInternalServerError, Message: "We encountered an internal error. The server's log says more under the request's id."}
}

func queryError(x *xmlWriter, c *call, e *op.Error) {
	namespace := ""
	if c.svc != nil {
		namespace = c.svc.Namespace
	}
	kind := "Sender"
	if e.IsServerFault() {
		kind = "Receiver"
	}
	x.open("ErrorResponse", "xmlns", namespace)
	x.open("Error")
	x.leaf("Type", kind)
	x.leaf("Code", e.Code)
	x.leaf("Message", e.Message)
	x.fields(e.Fields)
	x.close("Error")
	x.leaf("RequestId", c.id)
	x.close("ErrorResponse")
}

func (s *Server) restError(w http.ResponseWriter, c *call, e *op.Error, x *xmlWriter) {
	if c.r.Method == http.MethodHead || e.Status == http.StatusNotModified {
		s.head(w, c)
		w.WriteHeader(e.HTTPStatus())
		return
	}
	x.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	x.open("Error")
	x.leaf("Code", e.Code)
	x.leaf("Message", e.Message)
	x.fields(e.Fields)
	x.leaf("RequestId", c.id)
	x.leaf("HostId", c.id)
	x.close("Error")
	s.write(w, c, e.HTTPStatus(), "application/xml", x.Bytes())
}

func (s *Server) jsonError(w http.ResponseWriter, c *call, e *op.Error) {
	body := map[string]string{}
	for k, v := range e.Fields {
		body[k] = v
	}
	body["__type"], body["message"], body["Message"] = e.Code, e.Message, e.Message
	b, err := json.Marshal(body)
	if err != nil { // strings always marshal
		panic(err)
	}
	w.Header().Set("X-Amzn-Errortype", e.Code)
	s.write(w, c, e.HTTPStatus(), c.version, b)
}

// head writes the headers that every answer has; Date is the HTTP server's.
func (s *Server) head(w http.ResponseWriter, c *call) {
	if c.protocol == model.RESTXML {
		w.Header().Set("X-Amz-Request-Id", c.id)
		w.Header().Set("X-Amz-Id-2", c.id)
		return
	}
	w.Header().Set("X-Amzn-Requestid", c.id)
}

func (s *Server) write(w http.ResponseWriter, c *call, status int, kind string, body []byte) {
	s.head(w, c)
	if kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil && len(body) > 0 && !errors.Is(err, http.ErrBodyNotAllowed) {
		s.cfg.Log.Debug("a client left before its answer", "operation", c.name, "request", c.id, "error", err)
	}
}
