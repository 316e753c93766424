package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// apiModel is service-2.json, as far as it is used here.
type apiModel struct {
	Metadata struct {
		APIVersion, EndpointPrefix, JSONVersion, Protocol, SigningName, TargetPrefix, XMLNamespace string
	}
	Operations map[string]*operation
	Shapes     map[string]*shape
}

type operation struct {
	Name string
	HTTP struct {
		Method, RequestURI string
		ResponseCode       int
	}
	Input, Output *ref
	Errors        []ref
	AuthType      string
	HTTPChecksum  struct{ RequestChecksumRequired bool }
	EndpointInfo  json.RawMessage `json:"endpoint"`
}

type shape struct {
	Type             string
	Members          members
	Required         []string
	Member           *ref
	Key, Value       *ref
	Enum             []string
	Min, Max         *json.Number
	Pattern          string
	Sensitive        bool
	Flattened        bool
	TimestampFormat  string
	Payload          string
	LocationName     string
	XMLNamespace     *namespace
	Document         bool
	Exception, Fault bool
	EventStream      bool
	Error            struct {
		Code           string
		HTTPStatusCode int
	}
}

// ref is a reference to a shape with what holds at this place only.
type ref struct {
	Shape           string
	Location        string
	LocationName    string
	QueryName       string
	ResultWrapper   string
	Flattened       bool
	Streaming       bool
	XMLAttribute    bool
	XMLNamespace    *namespace
	TimestampFormat string
}

// namespace is written as a bare URI or as an object.
type namespace struct{ Prefix, URI string }

func (n *namespace) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &n.URI)
	}
	type plain namespace
	return json.Unmarshal(b, (*plain)(n))
}

// members keep the model's order.
type members []member

type member struct {
	Name string
	ref
}

func (m *members) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		one := member{Name: name.(string)}
		if err := d.Decode(&one.ref); err != nil {
			return err
		}
		*m = append(*m, one)
	}
	return nil
}

// loadModel reads the newest version of a service's model, packed or not.
func loadModel(dir, name string) (*apiModel, error) {
	versions, err := os.ReadDir(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("no model; -botocore names botocore's data folder: %w", err)
	}
	slices.SortFunc(versions, func(a, b fs.DirEntry) int { return bytes.Compare([]byte(a.Name()), []byte(b.Name())) })
	path := filepath.Join(dir, name, versions[len(versions)-1].Name(), "service-2.json")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = readPacked(path + ".gz")
	}
	if err != nil {
		return nil, err
	}
	var m apiModel
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &m, nil
}

func readPacked(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	return io.ReadAll(z)
}
