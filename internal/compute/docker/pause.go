package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"

	"github.com/containerd/errdefs"
)

// pauseCode is a program that waits for ever: pause() in a loop. It is PID 1 of
// its container, so that only SIGKILL ends it.
var pauseCode = map[string]struct {
	machine uint16
	code    []byte
}{
	"amd64": {62, []byte{
		0xb8, 0x22, 0, 0, 0, // mov eax, 34 (pause)
		0x0f, 0x05, // syscall
		0xeb, 0xf7, // jmp to the first
	}},
	"arm64": {183, []byte{
		0x00, 0x00, 0x80, 0xd2, // mov x0, #0
		0x01, 0x00, 0x80, 0xd2, // mov x1, #0
		0x02, 0x00, 0x80, 0xd2, // mov x2, #0
		0x03, 0x00, 0x80, 0xd2, // mov x3, #0
		0x28, 0x09, 0x80, 0xd2, // mov x8, #73 (ppoll)
		0x01, 0x00, 0x00, 0xd4, // svc #0
		0xfa, 0xff, 0xff, 0x17, // b to the first
	}},
}

// pauseProgram is an ELF executable of one segment.
func pauseProgram(arch string) ([]byte, error) {
	p, ok := pauseCode[arch]
	if !ok {
		return nil, fmt.Errorf("docker: no pause program for %s: amd64 and arm64 are supported", arch)
	}
	const base, head = 0x400000, 64 + 56
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	size := uint64(head + len(p.code))
	for _, v := range []any{
		uint16(2), p.machine, uint32(1), // executable
		uint64(base + head), uint64(64), uint64(0), // entry, program headers, no sections
		uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), // load, read and execute
		uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000),
	} {
		binary.Write(&b, binary.LittleEndian, v) // a Buffer never fails
	}
	b.Write(p.code)
	return b.Bytes(), nil
}

// pauseImage finds or makes the image of pause containers. Its tag names its
// content, so that a newer release makes its own.
func (b *Backend) pauseImage(ctx context.Context) (string, error) {
	b.pauseOnce.Lock()
	defer b.pauseOnce.Unlock()
	program, err := pauseProgram(runtime.GOARCH)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(program)
	name := "penstock/pause:" + hex.EncodeToString(sum[:6])
	if b.pauseID != "" {
		return name, nil
	}
	have, err := b.client().ImageInspect(ctx, name)
	if err != nil && !errdefs.IsNotFound(err) {
		return "", fmt.Errorf("docker: looking for image %s: %w", name, err)
	}
	if err == nil {
		b.pauseID = have.ID
		return name, nil
	}
	if err := b.importPause(ctx, name, program); err != nil {
		return "", err
	}
	b.pauseID = name
	return name, nil
}

func (b *Backend) importPause(ctx context.Context, name string, program []byte) error {
	var root bytes.Buffer
	t := tar.NewWriter(&root)
	err := t.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(program))})
	if err == nil {
		_, err = t.Write(program)
	}
	if err == nil {
		err = t.Close()
	}
	if err != nil {
		return fmt.Errorf("docker: packing the pause image: %w", err)
	}
	return b.engine.ImportImage(ctx, name, &root, `ENTRYPOINT ["/pause"]`)
}
