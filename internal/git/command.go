package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxCommands bounds what is held of a push before it is allowed: some ten thousand references.
const maxCommands = 1 << 20

// push is the body of receive-pack, whose head, the commands, can be looked at before
// git gets it.
type push struct {
	body io.Reader
	head bytes.Buffer
	refs []string
	err  error
	done bool
}

// references are the full names of the references that the push moves, in its order.
// A client that only tries whether it may push names none.
func (p *push) references() ([]string, error) {
	if !p.done {
		p.done = true
		p.refs, p.err = commands(io.TeeReader(io.LimitReader(p.body, maxCommands), &p.head))
	}
	return p.refs, p.err
}

// Read gives the whole body, what was looked at included.
func (p *push) Read(b []byte) (int, error) {
	if p.head.Len() > 0 {
		return p.head.Read(b)
	}
	return p.body.Read(b)
}

// commands reads pkt-lines up to the flush: "OLD NEW REF", the first with
// capabilities behind a NUL, after lines that tell of a shallow clone.
func commands(r io.Reader) (refs []string, err error) {
	for {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return nil, fmt.Errorf("read the commands of a push: %w", err)
		}
		n, err := strconv.ParseUint(string(size[:]), 16, 16)
		switch {
		case err != nil || n > 0 && n < 4:
			return nil, errors.New("the push does not begin with pkt-lines")
		case n == 0:
			return refs, nil
		}
		line := make([]byte, n-4)
		if _, err := io.ReadFull(r, line); err != nil {
			return nil, fmt.Errorf("read the commands of a push: %w", err)
		}
		command, _, _ := strings.Cut(string(line), "\x00")
		// Git divides by spaces alone: what else Unicode calls one is part of a name.
		if fields := strings.SplitN(strings.TrimSuffix(command, "\n"), " ", 3); len(fields) == 3 {
			refs = append(refs, fields[2])
		}
	}
}
