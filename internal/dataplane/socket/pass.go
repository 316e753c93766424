package socket

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Message is one datagram on the way between processes. At most one of its
// members says something; a Held socket's descriptor travels beside it.
type Message struct {
	Do   string         `json:"do,omitempty"` // take, hold, end, ready, done, reload, reloaded
	Key  *Key           `json:"key,omitempty"`
	Ino  uint64         `json:"ino,omitempty"`
	Gone bool           `json:"gone,omitempty"`
	Open map[string]int `json:"open,omitempty"` // requests in flight by target, of a process being replaced
	File *os.File       `json:"-"`
}

// maxMessage bounds a datagram: what the kernel's default send buffer takes. It is
// room for Open of about a thousand busy targets.
const maxMessage = 192 << 10

// Send writes m to c, a unixpacket connection.
func Send(c *net.UnixConn, m Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var rights []byte
	if m.File != nil {
		fd, err := dupFD(m.File)
		if err != nil {
			return fmt.Errorf("duplicate %s: %w", m.File.Name(), err)
		}
		defer unix.Close(int(fd))
		rights = unix.UnixRights(int(fd))
	}
	_, _, err = c.WriteMsgUnix(b, rights, nil)
	return err
}

// SendHeld passes a socket.
func SendHeld(c *net.UnixConn, h Held) error {
	return Send(c, Message{Key: &h.Key, Ino: h.Inode, File: h.File})
}

// Receive reads one message; io.EOF if the other side is gone.
func Receive(c *net.UnixConn) (Message, error) {
	b, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := c.ReadMsgUnix(b, oob)
	if err != nil {
		return Message{}, err
	}
	if n == 0 {
		return Message{}, io.EOF
	}
	var m Message
	f, err := passed(oob[:oobn])
	if err != nil {
		return m, err
	}
	m.File = f
	if err := json.Unmarshal(b[:n], &m); err != nil {
		return m, errors.Join(fmt.Errorf("read a message of the other process: %w", err), closeFile(f))
	}
	if f != nil && m.Key == nil {
		return m, errors.Join(errors.New("a descriptor came without its name"), closeFile(f))
	}
	return m, nil
}

func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

func passed(oob []byte) (*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("read passed descriptors: %w", err)
	}
	for _, m := range msgs {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil || len(fds) == 0 {
			continue
		}
		unix.CloseOnExec(fds[0])
		return os.NewFile(uintptr(fds[0]), "passed socket"), nil
	}
	return nil, nil
}

// dupFD duplicates without os.File.Fd, which would make the socket blocking.
func dupFD(f *os.File) (uintptr, error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fd int
	var dupErr error
	err = rc.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) })
	return uintptr(fd), errors.Join(err, dupErr)
}
