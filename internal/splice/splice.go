// Package splice is what travels in front of a connection that the data plane
// hands to the server over its unix socket: who called and for what, in one line
// of JSON. The bytes that follow are the caller's own, TLS included.
package splice

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
)

// Kinds of connections.
const (
	API         = "api"         // an AWS address inside a VPC, TLS or plain: *.amazonaws.com
	Credentials = "credentials" // 169.254.170.2
	Metadata    = "metadata"    // 169.254.169.254
	Control     = "control"     // a build's runner, 169.254.170.2 too, path /penstock/
)

// Header says where a connection came from.
type Header struct {
	Kind        string         `json:"kind"`
	VPC         string         `json:"vpc"`
	Source      netip.AddrPort `json:"source"`
	Destination netip.AddrPort `json:"destination"`
	Interface   string         `json:"interface,omitempty"` // id of the caller's interface, where known
	Tag         string         `json:"tag,omitempty"`       // the pod's tag, where known
}

// maxHeader bounds the line: tags are sealed tickets of a few hundred bytes.
const maxHeader = 16 << 10

// Write puts h in front of w.
func Write(w io.Writer, h Header) error {
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Read takes the header off r, which then stands at the caller's first byte.
func Read(r *bufio.Reader) (Header, error) {
	var h Header
	var line []byte
	for len(line) <= maxHeader {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return h, fmt.Errorf("read the connection's header: %w", err)
		}
		return h, json.Unmarshal(line, &h)
	}
	return h, fmt.Errorf("the connection's header is longer than %d bytes", maxHeader)
}
