package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-ci/penstock/internal/ids"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
)

// answer writes an output in the call's protocol.
func (s *Server) answer(w http.ResponseWriter, c *call, out any, stream io.ReadCloser) error {
	v := reflect.ValueOf(out)
	if !v.IsValid() || v.Kind() != reflect.Pointer || v.IsNil() {
		v = reflect.ValueOf(c.op.NewOut())
	}
	switch c.protocol {
	case model.Query, model.EC2:
		return s.send(w, c, http.StatusOK, "text/xml;charset=UTF-8", s.queryBody(c, v.Elem()))
	case model.RESTXML:
		return s.answerRest(w, c, v.Elem(), stream)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v.Interface()); err != nil {
		return fmt.Errorf("encode the output of %s:%s: %w", c.svc.Name, c.name, err)
	}
	return s.send(w, c, http.StatusOK, c.version, bytes.TrimRight(b.Bytes(), "\n"))
}

// send writes a whole body.
func (s *Server) send(w http.ResponseWriter, c *call, status int, contentType string, body []byte) error {
	h := w.Header()
	if contentType != "" && h.Get("Content-Type") == "" && (len(body) > 0 || contentType == c.version) {
		h.Set("Content-Type", contentType)
	}
	if status != http.StatusNoContent && status != http.StatusNotModified && h.Get("Content-Length") == "" {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if c.r.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		return nil
	}
	_, err := w.Write(body)
	return err
}

func (s *Server) queryBody(c *call, out reflect.Value) []byte {
	w := &xmlWriter{layouts: &s.layouts, item: "member"}
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	root := c.name + "Response"
	w.open(root, c.svc.Namespace)
	if c.protocol == model.EC2 {
		w.item = "item"
		w.element("requestId", c.id)
		if out.NumField() == 0 {
			w.element("return", "true")
		}
		w.structure(out)
	} else {
		if c.op.Root != "" {
			w.open(c.op.Root, "")
			w.structure(out)
			w.close(c.op.Root)
		}
		w.open("ResponseMetadata", "")
		w.element("RequestId", c.id)
		w.close("ResponseMetadata")
	}
	w.close(root)
	return w.Bytes()
}

func (s *Server) answerRest(w http.ResponseWriter, c *call, out reflect.Value, stream io.ReadCloser) error {
	status := s.layouts.writeHeaders(out, w.Header())
	if status == 0 {
		status = c.op.Status
	}
	if status == 0 {
		status = http.StatusOK
	}
	if c.op.StreamOut {
		if status == http.StatusOK && w.Header().Get("Content-Range") != "" {
			status = http.StatusPartialContent
		}
		w.WriteHeader(status)
		if stream == nil || c.r.Method == http.MethodHead {
			return nil
		}
		_, err := io.Copy(w, stream)
		return err
	}
	return s.send(w, c, status, "application/xml", s.layouts.restBody(c.op, c.svc.Namespace, out))
}

// refuse writes an error in the call's protocol.
func (s *Server) refuse(w http.ResponseWriter, c *call, e *op.Error) {
	var err error
	status := e.HTTPStatus()
	switch c.protocol {
	case model.Query:
		err = s.send(w, c, status, "text/xml;charset=UTF-8", queryError(c, e))
	case model.EC2:
		err = s.send(w, c, status, "text/xml;charset=UTF-8", ec2Error(c, e))
	case model.RESTXML:
		if c.r.Method == http.MethodHead {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			return
		}
		err = s.send(w, c, status, "application/xml", storageError(c, e))
	default:
		w.Header().Set("X-Amzn-ErrorType", e.Code)
		err = s.send(w, c, status, c.version, jsonError(e))
	}
	if err != nil {
		s.cfg.Log.Debug("answer not delivered", slog.String("request", c.id), slog.Any("error", err))
	}
}

// jsonError has its message under both names: clients of different ages look at one
// of them.
func jsonError(e *op.Error) []byte {
	m := map[string]string{}
	maps.Copy(m, e.Fields)
	m["__type"], m["message"], m["Message"] = e.Code, e.Message, e.Message
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // a map of strings
	}
	return b
}

func queryError(c *call, e *op.Error) []byte {
	w := &xmlWriter{}
	kind, ns := "Sender", ""
	if e.IsServerFault() {
		kind = "Receiver"
	}
	if c.svc != nil {
		ns = c.svc.Namespace
	}
	w.open("ErrorResponse", ns)
	w.open("Error", "")
	w.element("Type", kind)
	w.element("Code", e.Code)
	w.element("Message", e.Message)
	w.fields(e.Fields)
	w.close("Error")
	w.element("RequestId", c.id)
	w.close("ErrorResponse")
	return w.Bytes()
}

func ec2Error(c *call, e *op.Error) []byte {
	w := &xmlWriter{}
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.open("Response", "")
	w.open("Errors", "")
	w.open("Error", "")
	w.element("Code", e.Code)
	w.element("Message", e.Message)
	w.close("Error")
	w.close("Errors")
	w.element("RequestID", c.id)
	w.close("Response")
	return w.Bytes()
}

func storageError(c *call, e *op.Error) []byte {
	w := &xmlWriter{}
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.open("Error", "")
	w.element("Code", e.Code)
	w.element("Message", e.Message)
	w.fields(e.Fields)
	w.element("RequestId", storageID(c.id))
	w.element("HostId", hostID(c.id))
	w.close("Error")
	return w.Bytes()
}

func (w *xmlWriter) fields(m map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.element(k, m[k])
	}
}

// storageID is a request id in S3's form.
func storageID(id string) string { return strings.ToUpper(strings.ReplaceAll(id, "-", "")[:16]) }

// hostID is what S3 calls its second request id.
func hostID(id string) string { return ids.Lower(32, id) }
